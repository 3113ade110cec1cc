import { ConnectionFailed, RequestFailed } from "./errors.js";
import { EventParser, type ServerEvent } from "./events.js";

export interface StreamOptions {
  /** Another implementation of `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Headers such as `authorization`. */
  headers?: Record<string, string>;
  /** Ends the stream. */
  signal?: AbortSignal;
  /** Time without any byte after which the connection is given up, milliseconds; 45 seconds, three heartbeats. */
  idleTimeout?: number;
  /** Is told when the server has begun to answer. */
  onOpen?: () => void;
}

/**
 * Yield the events of one connection; throws `ConnectionFailed` when it is lost, and `RequestFailed`.
 *
 * For those who need no copy of the state, only to know when it changes: with `lastId`, the stream begins with the
 * changes since that save, if the server knows them, and the state itself is not sent.
 */
export async function* readEvents(
  url: string | URL,
  lastId: string | undefined,
  options: StreamOptions,
): AsyncGenerator<{ event: ServerEvent; parser: EventParser }, void> {
  const { fetch = globalThis.fetch, headers = {}, idleTimeout = 45_000 } = options;
  const leaving = new AbortController();
  const fail = (error: unknown): never => {
    const reason = leaving.signal.reason instanceof IdleTooLong ? leaving.signal.reason.message : String(error);
    throw new ConnectionFailed(String(url), reason, { cause: error });
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => leaving.abort(new IdleTooLong(idleTimeout)), idleTimeout);
  };
  const signals = [leaving.signal, ...(options.signal ? [options.signal] : [])];
  const known: Record<string, string> = lastId === undefined ? {} : { "last-event-id": lastId };
  try {
    wait();
    const response = await fetch(url, {
      headers: { accept: "text/event-stream", ...known, ...headers },
      signal: AbortSignal.any(signals),
      cache: "no-store",
    }).catch(fail);
    if (!response.ok || response.body === null) {
      throw new RequestFailed(String(url), response.status, await response.text().catch(fail));
    }
    options.onOpen?.();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    const parser = new EventParser();
    while (true) {
      const { done, value } = await reader.read().catch(fail);
      if (done) {
        return;
      }
      wait();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        yield { event, parser };
      }
    }
  } finally {
    clearTimeout(timer);
    leaving.abort();
  }
}

class IdleTooLong extends Error {
  constructor(time: number) {
    super(`nothing was received for ${time} ms`);
  }
}
