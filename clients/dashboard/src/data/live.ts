/**
 * Follows the stream of saves of a strategy, to know at once when something was saved.
 *
 * The stream begins with the save that the page shows, so the server sends only what is new. A lost connection is made
 * again, at once when the network or the page comes back. A hidden page holds no connection.
 */
import { readEvents, RequestFailed } from "@tradeexecutor/client";
import { useEffect, useState } from "preact/hooks";

import { getHeaders, makeURL, under } from "./api";

export interface Live {
  /** Key of the newest save that is known; undefined before any. */
  key: string | undefined;
  status: "connecting" | "live" | "lost" | "refused";
  /** What is wrong: with the connection, or with the state as the server reads it. */
  problem: string;
}

const SHORTEST = 500;
const LONGEST = 15_000;

/** @param start key of the save that is shown; undefined waits */
export function useLive(id: string, start: string | undefined): Live {
  const [live, setLive] = useState<Live>({ key: undefined, status: "connecting", problem: "" });
  const isReady = start !== undefined;
  useEffect(() => {
    if (!isReady) {
      return undefined;
    }
    const follower = new Connection(id, start, (change) => setLive((before) => ({ ...before, ...change })));
    follower.begin();
    return () => follower.end();
  }, [id, isReady]);
  return live;
}

class Connection {
  private leaving = new AbortController();
  private wake = () => {};
  private failures = 0;
  private isEnded = false;

  constructor(
    private readonly id: string,
    private key: string,
    private readonly tell: (change: Partial<Live>) => void,
  ) {}

  begin(): void {
    addEventListener("online", this.retry);
    document.addEventListener("visibilitychange", this.look);
    void this.run();
  }

  end(): void {
    this.isEnded = true;
    removeEventListener("online", this.retry);
    document.removeEventListener("visibilitychange", this.look);
    this.leaving.abort();
    this.wake();
  }

  private readonly retry = () => {
    this.failures = 0;
    this.wake();
  };

  private readonly look = () => {
    if (document.hidden) {
      this.leaving.abort();
    } else {
      this.retry();
    }
  };

  private async run(): Promise<void> {
    while (!this.isEnded) {
      if (!document.hidden) {
        try {
          await this.follow();
          this.tell({ status: "connecting" });
        } catch (error) {
          if (error instanceof RequestFailed && !error.isTemporary) {
            this.tell({ status: "refused", problem: error.message });
            return;
          }
          if (!this.leaving.signal.aborted) {
            this.tell({ status: "lost", problem: "The connection to the server is lost." });
          }
        }
      }
      await this.pause();
    }
  }

  private async follow(): Promise<void> {
    this.leaving = new AbortController();
    const options = { headers: getHeaders(), signal: this.leaving.signal, onOpen: () => this.open() };
    for await (const { event } of readEvents(makeURL(under(this.id, "/saves")), this.key, options)) {
      if (event.type === "error") {
        this.tell({ problem: readText(event.data) });
      } else if (event.type === "heartbeat") {
        this.compare(readKey(event.data));
      } else if (event.id) {
        this.key = event.id;
        this.tell({ key: event.id, problem: "" });
      }
    }
  }

  /** A heartbeat names the newest save: the event that told it may have been lost. */
  private compare(key: string | undefined): void {
    if (key !== undefined && key !== this.key) {
      this.key = key;
      this.tell({ key });
    }
  }

  private open(): void {
    this.failures = 0;
    this.tell({ status: "live", problem: "" });
  }

  /** Wait before the next attempt; a hidden page waits until it is seen. */
  private pause(): Promise<void> {
    const delay = Math.min(LONGEST, SHORTEST * 2 ** Math.min(this.failures++, 8));
    return new Promise((resolve) => {
      const timer = document.hidden ? undefined : setTimeout(() => this.wake(), delay);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function readKey(data: string): string | undefined {
  try {
    const key: unknown = JSON.parse(data).id;
    return typeof key === "string" ? key : undefined;
  } catch {
    return undefined;
  }
}

function readText(data: string): string {
  try {
    return String(JSON.parse(data).detail);
  } catch {
    return data;
  }
}
