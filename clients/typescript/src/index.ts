export * from "./errors.js";
export * from "./patch.js";
export * from "./read.js";
export * from "./events.js";
export * from "./follow.js";
export * from "./generated/schemas.js";
export type * from "./generated/types.js";
