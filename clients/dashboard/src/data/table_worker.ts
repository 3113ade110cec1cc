/** Reads large tables beside the page: first the table, then the ranks of its numbers, by which it is sorted. */
import type { apiTypes } from "@tradeexecutor/client";

import { isText, rankNumbers, type Ranks, type TableData, toTable } from "./table";

/** What the worker sends; places belong to the table before them. */
export type Message = { id: number; table: TableData | undefined } | { column: number; places: Ranks };

const send = (message: Message, arrays: ArrayBuffer[] = []) => postMessage(message, { transfer: arrays });

addEventListener("message", ({ data: { id, text } }: MessageEvent<{ id: number; text: string }>) => {
  let table: TableData;
  try {
    table = toTable(JSON.parse(text) as apiTypes.TableView);
  } catch {
    send({ id, table: undefined });
    return;
  }
  // What is handed over is no longer here.
  const copies = table.columns.map((column) => (isText(column) ? undefined : column.numbers.slice()));
  const arrays = table.columns.flatMap((column) => (isText(column) ? [column.places.ranks.buffer, column.starts.buffer] : [column.numbers.buffer]));
  send({ id, table }, arrays);
  copies.forEach((numbers, column) => {
    if (numbers !== undefined) {
      const places = rankNumbers(numbers);
      send({ column, places }, [places.ranks.buffer]);
    }
  });
});
