/** Tables of the server in components. A large one is read by a worker, so that the page answers meanwhile. */
import { fetchText, parseJSON, type apiTypes } from "@tradeexecutor/client";

import { getOptions, makeURL, type Query, under } from "./api";
import { type TableData, toTable } from "./table";
import type { Message } from "./table_worker";
import { type Answer, useAnswer } from "./use_answer";

/** Shorter answers, in characters, are read faster than they are handed on. */
const LARGE = 200_000;

/**
 * Ask for a table of a strategy.
 *
 * @param at the save that is looked at; undefined for the newest
 * @param version key of the save that is shown
 */
export function useTable(id: string, name: string, at: string | undefined, version: string, query: Query = {}): Answer<TableData> {
  const url = makeURL(under(id, `/views/tables/${name}`), { at, ...query });
  // Without `at`, the version is the key of one save, of which there is only one answer.
  return useAnswer<TableData>(url, version, askTable, at === undefined);
}

async function askTable(url: string, signal: AbortSignal): Promise<TableData> {
  const text = await fetchText(url, getOptions(signal));
  return text.length < LARGE ? readTable(text) : reader.read(text);
}

function readTable(text: string): TableData {
  return toTable(parseJSON(text) as apiTypes.TableView);
}

/** Hands texts to the worker; where there is none, they are read here. */
class TableReader {
  private worker: Worker | undefined;
  private isBroken = false;
  private asked = 0;
  private readonly waiting = new Map<number, (table: TableData | undefined) => void>();
  private latest: TableData | undefined;

  async read(text: string): Promise<TableData> {
    const worker = this.start();
    if (worker === undefined) {
      return readTable(text);
    }
    const id = ++this.asked;
    const table = await new Promise<TableData | undefined>((resolve) => {
      this.waiting.set(id, resolve);
      worker.postMessage({ id, text });
    });
    return table ?? readTable(text); // which also says what is wrong with it
  }

  private start(): Worker | undefined {
    if (this.worker === undefined && !this.isBroken) {
      this.worker = new Worker(new URL("./table_worker.ts", import.meta.url), { type: "module" });
      this.worker.addEventListener("message", ({ data }: MessageEvent<Message>) => this.take(data));
      this.worker.addEventListener("error", () => this.giveUp());
    }
    return this.worker;
  }

  private take(message: Message): void {
    if ("id" in message) {
      this.latest = message.table;
      this.waiting.get(message.id)?.(message.table);
      this.waiting.delete(message.id);
      return;
    }
    const column = this.latest?.columns[message.column];
    if (column) {
      column.places ??= message.places;
    }
  }

  private giveUp(): void {
    this.worker = undefined;
    this.isBroken = true;
    this.waiting.forEach((resolve) => resolve(undefined));
    this.waiting.clear();
  }
}

const reader = new TableReader();
