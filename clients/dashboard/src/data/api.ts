/** Requests to the server: one function, the token, and errors in words. */
import { ConnectionFailed, fetchJSON, RequestFailed, type apiTypes, type RequestOptions } from "@tradeexecutor/client";

export type { apiTypes };

const TOKEN = "tradeexecutor-token";

/** The server is the one that this page came from. */
export const SERVER = new URL("..", location.href.split("#")[0]).href.replace(/\/$/, "");

let token = sessionStorage.getItem(TOKEN) ?? "";

export function hasToken(): boolean {
  return token !== "";
}

/** Keep a token until the tab is closed. */
export function setToken(value: string): void {
  token = value;
  sessionStorage.setItem(TOKEN, value);
}

export function getHeaders(): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}

export type Query = Record<string, string | number | undefined>;

export function makeURL(path: string, query: Query = {}): string {
  const values = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const text = new URLSearchParams(values.map(([name, value]) => [name, String(value)])).toString();
  return `${SERVER}${path}${text ? `?${text}` : ""}`;
}

/** Path below a strategy. */
export function under(id: string, path: string): string {
  return `/v1/${encodeURIComponent(id)}${path}`;
}

export function getOptions(signal: AbortSignal): RequestOptions {
  return { headers: getHeaders(), timeout: 60_000, signal };
}

export async function ask<T>(url: string, signal: AbortSignal): Promise<T> {
  return (await fetchJSON(url, getOptions(signal))) as T;
}

export async function askText(url: string, signal?: AbortSignal): Promise<string> {
  const response = await fetch(url, { headers: getHeaders(), ...(signal ? { signal } : {}) });
  const text = await response.text();
  if (!response.ok) {
    throw new RequestFailed(url, response.status, text);
  }
  return text;
}

export async function askBlob(url: string): Promise<Blob> {
  const response = await fetch(url, { headers: getHeaders() });
  if (!response.ok) {
    throw new RequestFailed(url, response.status, await response.text());
  }
  return response.blob();
}

/** Send a command of an operator. */
export async function command(
  id: string,
  name: string,
  body: apiTypes.CommandRequest,
  operateToken: string,
): Promise<apiTypes.CommandAnswer> {
  const url = makeURL(under(id, `/operations/${name}`));
  const headers = { authorization: `Bearer ${operateToken}`, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) {
    throw new RequestFailed(url, response.status, text);
  }
  return JSON.parse(text) as apiTypes.CommandAnswer;
}

/** An error for people. */
export interface Described {
  text: string;
  /** Whether a token would help. */
  needsToken?: boolean;
  /** Whether the server has only not finished yet. */
  isComputing?: boolean;
}

export function describeError(error: unknown): Described {
  if (error instanceof RequestFailed) {
    const text = readDetail(error.body) || `the server answered ${error.status}`;
    // A state that cannot be read has the same status; only the text tells them apart.
    return { text, needsToken: error.status === 401, isComputing: error.status === 503 && text.includes("takes longer") };
  }
  if (error instanceof ConnectionFailed) {
    return { text: "The server does not answer. This page tries again by itself." };
  }
  return { text: error instanceof Error ? error.message : String(error) };
}

function readDetail(body: string): string {
  try {
    const detail: unknown = JSON.parse(body).detail;
    return typeof detail === "string" ? detail : "";
  } catch {
    return "";
  }
}
