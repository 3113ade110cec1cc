import * as z from "zod";

import { ConnectionFailed, PatchFailed, RequestFailed, ResyncFailed } from "./errors.js";
import type { ServerEvent } from "./events.js";
import { applyPatch, type Operation } from "./patch.js";
import { check, parseJSON } from "./read.js";
import { readEvents, type StreamOptions } from "./stream.js";

/** Gaps without a change in between after which it is an error. */
const MAX_GAPS = 3;

/** One save of a strategy. */
export interface Save {
  /** Id of the save, which is that of its event. */
  id: string;
  revision: number;
  /** Seconds since 1970-01-01 UTC; null if it is not known. */
  saved_at: number | null;
  /** Plain JSON data of the state. It is never changed, only replaced; unchanged parts are shared. */
  document: Record<string, unknown>;
}

/** Something that happened to the connection, for a log. */
export type Notice =
  | { kind: "gap"; reason: "before" | "patch"; have: string | undefined; before: string; got: string }
  | { kind: "gap"; reason: "heartbeat"; have: string | undefined; got: string }
  | { kind: "problem"; status: number; detail: string }
  | { kind: "disconnected"; reason: string; delay: number };

export interface FollowOptions extends StreamOptions {
  /** Shortest and longest time before the next connection, milliseconds; that of the server, and 30 seconds. */
  minDelay?: number;
  maxDelay?: number;
  /** Save to continue with. */
  from?: Save;
  /** Is told what happens to the connection. */
  onNotice?: (notice: Notice) => void;
}

const SaveSchema = z.looseObject({ id: z.string(), revision: z.int(), saved_at: z.number().nullable() });
const OperationSchema = z.union([
  z.object({ op: z.enum(["add", "replace", "test"]), path: z.string(), value: z.unknown() }),
  z.object({ op: z.literal("remove"), path: z.string() }),
]);

/** Data of the event `snapshot`. */
export const SnapshotEventSchema = SaveSchema.extend({ document: z.record(z.string(), z.unknown()) });
/** Data of the event `patch`. */
export const PatchEventSchema = SaveSchema.extend({ before: z.string(), patch: z.array(OperationSchema) });
/** Data of the event `error`. */
export const ErrorEventSchema = z.looseObject({ status: z.int(), detail: z.string() });
/** Data of the event `heartbeat`: the save to which the events before have led; null if there was none. */
export const HeartbeatEventSchema = z.looseObject({ id: z.string().nullable() });

/**
 * Keeps a copy of a state up to date with the events of its stream.
 *
 * A patch names the save before it, and a heartbeat the save that all events before it have led to. If that is not the
 * present one, or the patch does not fit, there is a gap: then the copy has to begin again with a snapshot.
 */
export class Follower {
  #save: Save | undefined;

  /** @param onNotice is told about gaps and about problems of the server */
  constructor(private readonly onNotice: (notice: Notice) => void = () => {}) {}

  /** The present save; undefined before the first snapshot, and after a gap. */
  get save(): Save | undefined {
    return this.#save;
  }

  /** Begin with a save that is known already. */
  reset(save: Save | undefined): void {
    this.#save = save;
  }

  /** Apply an event: `changed`, `same` when it changes nothing, or `gap`. Throws `InvalidState` for nonsense. */
  apply(event: ServerEvent): "changed" | "same" | "gap" {
    if (event.type === "snapshot") {
      const { id, revision, saved_at, document } = read(SnapshotEventSchema, event);
      this.#save = { id, revision, saved_at, document };
      return "changed";
    }
    if (event.type === "patch") {
      return this.#applyPatch(read(PatchEventSchema, event));
    }
    if (event.type === "heartbeat") {
      return this.#checkHeartbeat(read(HeartbeatEventSchema, event).id);
    }
    if (event.type === "error") {
      const { status, detail } = read(ErrorEventSchema, event);
      this.onNotice({ kind: "problem", status, detail });
    }
    return "same"; // a newer server may send other events
  }

  #applyPatch({ id, revision, saved_at, before, patch }: z.infer<typeof PatchEventSchema>): "changed" | "same" | "gap" {
    const save = this.#save;
    if (save?.id === id) {
      return "same";
    }
    let reason: "before" | "patch" = "before";
    if (save?.id === before) {
      try {
        this.#save = { id, revision, saved_at, document: applyPatch(save.document, patch as Operation[]) };
        return "changed";
      } catch (error) {
        if (!(error instanceof PatchFailed)) {
          throw error;
        }
        reason = "patch";
      }
    }
    return this.#reportGap({ kind: "gap", reason, have: save?.id, before, got: id });
  }

  /** A lost event is noticed by the one after it; the last one only by this. */
  #checkHeartbeat(id: string | null): "same" | "gap" {
    const have = this.#save?.id;
    return id === null || id === have ? "same" : this.#reportGap({ kind: "gap", reason: "heartbeat", have, got: id });
  }

  #reportGap(notice: Notice): "gap" {
    this.onNotice(notice);
    this.#save = undefined;
    return "gap";
  }
}

/** Return the checked data of an event; throws `InvalidState`. */
function read<T>(schema: z.ZodType<T>, event: ServerEvent): T {
  return check(schema, parseJSON(event.data));
}

/**
 * Follow the `/v1/ID/changes` of a server: yield the newest save, and then every further one.
 *
 * It connects again after a lost connection and continues after the last event. Where the server does not know all
 * changes since, or there is a gap, it begins again with a snapshot. It ends when `signal` is aborted, or when the
 * consumer breaks off. Throws `RequestFailed` when the server refuses for good, `InvalidState`, and `ResyncFailed`.
 */
export async function* followState(url: string | URL, options: FollowOptions = {}): AsyncGenerator<Save, void> {
  const { signal, maxDelay = 30_000, onNotice = () => {} } = options;
  const follower = new Follower(onNotice);
  follower.reset(options.from);
  let gaps = 0;
  let failures = 0;
  let retry: number | undefined;
  while (!signal?.aborted) {
    let reason = "the server ended the stream";
    let hasGap = false;
    try {
      for await (const { event, parser } of readEvents(url, follower.save?.id, options)) {
        retry = parser.retry;
        failures = 0;
        const effect = follower.apply(event);
        if (effect === "gap") {
          if (++gaps >= MAX_GAPS) {
            throw new ResyncFailed(String(url), gaps);
          }
          hasGap = true;
          break;
        }
        if (effect === "changed" && follower.save) {
          gaps = event.type === "patch" ? 0 : gaps;
          yield follower.save;
        }
      }
    } catch (error) {
      const isLasting = !(error instanceof ConnectionFailed) && !(error instanceof RequestFailed && error.isTemporary);
      if (isLasting) {
        throw error;
      }
      reason = error.message;
    }
    if (hasGap || signal?.aborted) {
      continue;
    }
    const delay = Math.min(maxDelay, (options.minDelay ?? retry ?? 2_000) * 2 ** Math.min(failures++, 10));
    onNotice({ kind: "disconnected", reason, delay });
    await pause(delay, signal);
  }
}

function pause(delay: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, delay);
    signal?.addEventListener("abort", end);
  });
}
