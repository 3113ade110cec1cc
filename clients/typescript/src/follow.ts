import { PatchFailed, ResyncFailed } from "./errors.js";
import { applyPatch, type Operation } from "./patch.js";

/** Snapshots that are fetched after one gap before it is an error. */
const MAX_SNAPSHOTS = 3;

/** Changes that are kept while a snapshot is fetched. */
const MAX_WAITING = 1000;

/** A whole state, with which a follower begins. */
export interface Snapshot {
  revision: number;
  /** Name of the revision for the next request, such as `Last-Event-ID`. */
  cursor?: string;
  document: Record<string, unknown>;
}

/** The changes of one save. */
export interface Change {
  revision: number;
  cursor?: string;
  /** Operations that change the revision before into this one. */
  patch: Operation[];
}

/** Why a change could not be applied. */
export interface Gap {
  reason: "gap" | "patch";
  /** Revision of the document that the follower has. */
  have: number;
  /** Revision that could not be applied. */
  got: number;
}

/**
 * Keeps a copy of a state up to date with changes.
 *
 * Changes have consecutive revision numbers. One that was seen already is skipped. One that is missing, or that does not
 * fit, is a gap: then a snapshot is fetched, and the copy begins again with it. A snapshot may be newer than the changes
 * that arrive while it is fetched; those are skipped by their numbers.
 */
export class Follower {
  #current: Snapshot | undefined;
  #resync: Promise<void> | undefined;
  #waiting: Change[] = [];

  /**
   * @param fetchSnapshot returns the newest state
   * @param onGap is told about each gap, for a log
   */
  constructor(
    private readonly fetchSnapshot: () => Promise<Snapshot>,
    private readonly onGap: (gap: Gap) => void = () => {},
  ) {}

  /** Plain JSON data of the state; undefined before the first snapshot. It is never changed, only replaced. */
  get document(): Record<string, unknown> | undefined {
    return this.#current?.document;
  }

  /** Revision of the document; undefined before the first snapshot. */
  get revision(): number | undefined {
    return this.#current?.revision;
  }

  /** Cursor of the document, to continue with after a lost connection. */
  get cursor(): string | undefined {
    return this.#current?.cursor;
  }

  /** Begin again with a snapshot that the server sent. */
  reset(snapshot: Snapshot): void {
    this.#current = snapshot;
  }

  /** Apply a change, or fetch a snapshot when there is a gap; rejects when the snapshot cannot be fetched. */
  async apply(change: Change): Promise<void> {
    if (this.#resync) {
      // Without the oldest there is a gap again, and then a newer snapshot.
      if (this.#waiting.push(change) > MAX_WAITING) {
        this.#waiting.shift();
      }
      return this.#resync;
    }
    if (!this.#tryToApply(change)) {
      this.#waiting.push(change);
      this.#resync = this.#fetchAgain().finally(() => {
        this.#resync = undefined;
      });
      return this.#resync;
    }
  }

  /** Return whether the document now contains the change. */
  #tryToApply(change: Change): boolean {
    const current = this.#current;
    if (current === undefined) {
      return false;
    }
    if (change.revision <= current.revision) {
      return true;
    }
    if (change.revision !== current.revision + 1) {
      this.onGap({ reason: "gap", have: current.revision, got: change.revision });
      return false;
    }
    try {
      const { revision, patch, ...rest } = change;
      this.#current = { ...rest, revision, document: applyPatch(current.document, patch) };
    } catch (error) {
      if (!(error instanceof PatchFailed)) {
        throw error;
      }
      this.onGap({ reason: "patch", have: current.revision, got: change.revision });
      return false;
    }
    return true;
  }

  async #fetchAgain(): Promise<void> {
    try {
      for (let attempt = 0; attempt < MAX_SNAPSHOTS; attempt++) {
        this.#current = await this.fetchSnapshot();
        if (this.#applyWaiting()) {
          return;
        }
      }
      throw new ResyncFailed(this.#waiting[0]!.revision, MAX_SNAPSHOTS);
    } finally {
      this.#waiting = [];
    }
  }

  #applyWaiting(): boolean {
    while (this.#waiting.length > 0) {
      if (!this.#tryToApply(this.#waiting[0]!)) {
        return false;
      }
      this.#waiting.shift();
    }
    return true;
  }
}
