import { PatchFailed } from "./errors.js";

/** An operation of a JSON Patch (RFC 6902), of those that the change feed sends. */
export type Operation =
  | { op: "add" | "replace" | "test"; path: string; value: unknown }
  | { op: "remove"; path: string };

type Container = unknown[] | Record<string, unknown>;

/**
 * Return a document after a patch; the document itself is not changed.
 *
 * The result shares unchanged parts with the document, so a component that compares by identity renders only what has
 * changed. Throws `PatchFailed`, and then nothing was applied.
 */
export function applyPatch<T>(document: T, patch: readonly Operation[]): T {
  const root: Record<string, unknown> = { "": document };
  const own = new Set<unknown>();
  patch.forEach((operation, number) => {
    try {
      applyOne(root, operation, own);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new PatchFailed(number, String(operation.path), reason);
    }
  });
  return root[""] as T;
}

function applyOne(root: Record<string, unknown>, operation: Operation, own: Set<unknown>): void {
  const path = parsePointer(operation.path);
  let holder: Container = root;
  let key = "";
  path.forEach((item, depth) => {
    const child = copyOnce(holder, key, own);
    const mayAppend = operation.op === "add" && depth === path.length - 1;
    key = Array.isArray(child) ? String(parseIndex(child, item, mayAppend)) : item;
    holder = child;
  });
  if (operation.op === "add") {
    if (Array.isArray(holder)) {
      (holder as unknown[]).splice(Number(key), 0, operation.value);
    } else {
      set(holder, key, operation.value);
    }
    return;
  }
  if (!Object.hasOwn(holder, key)) {
    throw new Error(`there is no ${JSON.stringify(key)}`);
  }
  if (operation.op === "replace") {
    set(holder, key, operation.value);
  } else if (operation.op === "remove" && path.length > 0) {
    if (Array.isArray(holder)) {
      (holder as unknown[]).splice(Number(key), 1);
    } else {
      delete (holder as Record<string, unknown>)[key];
    }
  } else if (operation.op !== "test") {
    throw new Error(`the operation ${JSON.stringify(operation.op)} is unknown or impossible here`);
  } else if (!isEqual((holder as Record<string, unknown>)[key], operation.value)) {
    throw new Error("the value is another one");
  }
}

/** Replace a container that belongs to the old document by a copy, and return the copy. */
function copyOnce(holder: Container, key: string, own: Set<unknown>): Container {
  if (!Object.hasOwn(holder, key)) {
    throw new Error(`there is no ${JSON.stringify(key)}`);
  }
  const child = (holder as Record<string, unknown>)[key];
  if (typeof child !== "object" || child === null) {
    throw new Error(`${JSON.stringify(key)} is neither an object nor an array`);
  }
  if (own.has(child)) {
    return child as Container;
  }
  const copy = Array.isArray(child) ? [...child] : copyObject(child as Record<string, unknown>);
  own.add(copy);
  set(holder, key, copy);
  return copy;
}

function copyObject(source: Record<string, unknown>): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    set(copy, key, source[key]);
  }
  return copy;
}

/** Set a key as data, also when its name is `__proto__`. */
function set(holder: Container, key: string, value: unknown): void {
  if (key === "__proto__") {
    Object.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    (holder as Record<string, unknown>)[key] = value;
  }
}

function parsePointer(pointer: string): string[] {
  if (pointer === "") {
    return [];
  }
  if (!pointer.startsWith("/") || /~(?![01])/.test(pointer)) {
    throw new Error(`${JSON.stringify(pointer)} is not a JSON pointer`);
  }
  return pointer
    .slice(1)
    .split("/")
    .map((item) => item.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function parseIndex(items: unknown[], text: string, mayAppend: boolean): number {
  if (text === "-" && mayAppend) {
    return items.length;
  }
  const index = /^(0|[1-9][0-9]*)$/.test(text) ? Number(text) : NaN;
  if (!(index < items.length + (mayAppend ? 1 : 0))) {
    throw new Error(`there is no item ${text}, only ${items.length}`);
  }
  return index;
}

function isEqual(left: unknown, right: unknown): boolean {
  if (typeof left !== "object" || typeof right !== "object" || left === null || right === null) {
    return left === right;
  }
  if (Array.isArray(left) !== Array.isArray(right)) {
    return false;
  }
  const keys = Object.keys(left);
  return (
    keys.length === Object.keys(right).length &&
    keys.every((key) => Object.hasOwn(right, key) && isEqual((left as any)[key], (right as any)[key]))
  );
}
