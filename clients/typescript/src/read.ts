import type * as z from "zod";

import { ConnectionFailed, InvalidState, RequestFailed } from "./errors.js";
import { StateSchema } from "./generated/schemas.js";
import type { State } from "./generated/types.js";

export interface RequestOptions {
  /** Another implementation of `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Headers such as `authorization`. */
  headers?: Record<string, string>;
  /** Stops the request. */
  signal?: AbortSignal;
  /** Time after which the request fails, milliseconds; 30 seconds if not given. */
  timeout?: number;
}

/**
 * Check plain JSON data, and return it as a state; missing keys of old files are filled in, unknown keys are kept.
 *
 * Amounts stay decimal text: `Number("0.1")` and arithmetic on it would not be exact. Throws `InvalidState`.
 */
export function parseState(tree: unknown): State {
  return check(StateSchema, tree);
}

/** Return data that a schema has checked; throws `InvalidState`. */
export function check<T>(schema: z.ZodType<T>, tree: unknown): T {
  const result = schema.safeParse(tree);
  if (!result.success) {
    const issues = result.error.issues.map(({ path, message }) => ({
      path: path.map((item) => (typeof item === "symbol" ? String(item) : item)),
      message,
    }));
    throw new InvalidState(issues, { cause: result.error });
  }
  return result.data;
}

/** Return the state in a JSON text; throws `InvalidState`. */
export function parseStateText(text: string): State {
  return parseState(parseJSON(text));
}

/** Fetch a state file, or the `/state` of a server; throws `ConnectionFailed`, `RequestFailed` or `InvalidState`. */
export async function fetchState(url: string | URL, options: RequestOptions = {}): Promise<State> {
  return parseStateText(await fetchText(url, options));
}

/**
 * Fetch an answer of the API and check it: `fetchAnswer(`${server}/v1/demo/ledger`, api.LedgerAnswerSchema)`.
 *
 * Throws `ConnectionFailed`, `RequestFailed` or `InvalidState`.
 */
export async function fetchAnswer<T>(url: string | URL, schema: z.ZodType<T>, options: RequestOptions = {}): Promise<T> {
  return check(schema, await fetchJSON(url, options));
}

/** Fetch any JSON; throws `ConnectionFailed`, `RequestFailed` or `InvalidState`. */
export async function fetchJSON(url: string | URL, options: RequestOptions = {}): Promise<unknown> {
  return parseJSON(await fetchText(url, options));
}

/** Return the data in a JSON text; throws `InvalidState`. */
export function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidState([{ path: [], message: `not JSON: ${(error as Error).message}` }], { cause: error });
  }
}

/** Fetch the text of an answer; throws `ConnectionFailed` or `RequestFailed`. */
export async function fetchText(url: string | URL, options: RequestOptions): Promise<string> {
  const { fetch = globalThis.fetch, headers = {}, timeout = 30_000 } = options;
  const signals = [AbortSignal.timeout(timeout), ...(options.signal ? [options.signal] : [])];
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { headers: { accept: "application/json", ...headers }, signal: AbortSignal.any(signals) });
    text = await response.text();
  } catch (error) {
    const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
    const reason = isTimeout ? `no answer within ${timeout} ms` : String(error instanceof Error ? error.message : error);
    throw new ConnectionFailed(String(url), reason, { cause: error });
  }
  if (!response.ok) {
    throw new RequestFailed(String(url), response.status, text);
  }
  return text;
}
