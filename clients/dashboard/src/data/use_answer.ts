/** Answers of the server in components: the old one stays until the new one is there, so nothing flickers. */
import { ConnectionFailed, RequestFailed } from "@tradeexecutor/client";
import { useEffect, useRef, useState } from "preact/hooks";

import { ask, describeError } from "./api";

export interface Answer<T> {
  /** The latest answer; undefined before the first one. */
  data: T | undefined;
  /** Why the latest request failed; undefined if it did not. */
  error: unknown;
  isLoading: boolean;
}

/** Time until the next request after one that failed; the server lets wait by itself while it is computing. */
const RETRY = 3_000;
const SOON = 200;

/** Latest answers by address, with the version that they belong to, so that going back to a page shows it at once. */
const kept = new Map<string, { data: unknown; version: unknown }>();
const MOST_KEPT = 60;

function keep(url: string, data: unknown, version: unknown): void {
  kept.delete(url);
  kept.set(url, { data, version });
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) {
      break;
    }
    kept.delete(oldest);
  }
}

interface Known<T> {
  url: string | undefined;
  data: T | undefined;
  error: unknown;
  /** Version that the data or the error belongs to. */
  version: unknown;
}

type Read<T> = (url: string, signal: AbortSignal) => Promise<T>;

/**
 * Asks one address. A request that runs is finished before the next one, however often the version changes, so a slow
 * answer always comes.
 */
class Reader<T> {
  private readonly leaving = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isBusy = false;
  private wanted: unknown;

  constructor(
    private readonly url: string,
    private readonly read: Read<T>,
    private readonly tell: (known: Known<T>) => void,
    private data: T | undefined,
    private readonly isFixed: boolean,
  ) {}

  want(version: unknown): void {
    this.wanted = version;
    const known = kept.get(this.url);
    if (this.isFixed && known !== undefined && known.version === version) {
      this.tell({ url: this.url, data: known.data as T, error: undefined, version });
    } else if (!this.isBusy) {
      void this.run();
    }
  }

  end(): void {
    clearTimeout(this.timer);
    this.leaving.abort();
  }

  private async run(): Promise<void> {
    clearTimeout(this.timer);
    this.isBusy = true;
    const version = this.wanted;
    let error: unknown;
    try {
      this.data = await this.read(this.url, this.leaving.signal);
    } catch (problem) {
      error = problem;
    }
    this.isBusy = false;
    if (this.leaving.signal.aborted) {
      return;
    }
    keep(this.url, this.data, error === undefined ? version : undefined);
    this.tell({ url: this.url, data: this.data, error, version });
    const isTemporary = error instanceof ConnectionFailed || (error instanceof RequestFailed && error.isTemporary);
    if (this.wanted !== version) {
      void this.run();
    } else if (isTemporary) {
      this.timer = setTimeout(() => void this.run(), describeError(error).isComputing ? SOON : RETRY);
    }
  }
}

/** Whether two addresses differ only in the range of time and the number of points. */
function isSameChart(a: string | undefined, b: string | undefined): boolean {
  const strip = (url: string) => url.replace(/([?&])(?:start|end|points)=[^&]*/g, "$1").replace(/[?&]+$/, "").replace(/&+/g, "&").replace("?&", "?");
  return a !== undefined && b !== undefined && strip(a) === strip(b);
}

/**
 * Ask for an address, and again whenever `version` changes.
 *
 * @param url undefined asks for nothing
 * @param version of what is asked about, such as the key of a save
 * @param read turns the address into the answer
 * @param isFixed whether there is one answer of a version, which is not asked for again
 */
export function useAnswer<T>(url: string | undefined, version: unknown = "", read: Read<T> = ask, isFixed = false): Answer<T> {
  const recall = (): T | undefined => (url === undefined ? undefined : (kept.get(url)?.data as T | undefined));
  const [known, setKnown] = useState<Known<T>>({ url, data: recall(), error: undefined, version: undefined });
  const reader = useRef<Reader<T> | undefined>(undefined);
  useEffect(() => {
    const made = url === undefined ? undefined : new Reader(url, read, setKnown, recall(), isFixed);
    reader.current = made;
    return () => made?.end();
  }, [url]);
  useEffect(() => reader.current?.want(version), [url, version]);
  if (known.url !== url) {
    // Another range of the same chart: what is drawn stays until the new range is there.
    const before = isSameChart(known.url, url) ? known.data : undefined;
    return { data: recall() ?? before, error: undefined, isLoading: url !== undefined };
  }
  return { data: known.data, error: known.error, isLoading: known.version !== version };
}
