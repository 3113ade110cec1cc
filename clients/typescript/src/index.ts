export * from "./errors.js";
export * from "./patch.js";
export { fetchAnswer, fetchJSON, fetchState, parseState, parseStateText, type RequestOptions } from "./read.js";
export * from "./events.js";
export * from "./follow.js";
export * from "./generated/schemas.js";
export type * from "./generated/types.js";
export * as api from "./generated/api_schemas.js";
export type * as apiTypes from "./generated/api_types.js";
