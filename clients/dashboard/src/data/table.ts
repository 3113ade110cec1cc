/**
 * Tables as the page keeps them: typed arrays, so that a hundred thousand rows are sorted and searched within
 * milliseconds. Made from an answer of the server, in a worker if it is large; so nothing here knows the page.
 */
import type { apiTypes } from "@tradeexecutor/client";

interface ColumnHead {
  name: string;
  kind: string;
  minor: boolean;
}

/** The place of each row in the ascending order of a column; rows without a value have the number of places. */
export interface Ranks {
  ranks: Uint32Array<ArrayBuffer>;
  count: number;
}

export interface NumberColumn extends ColumnHead {
  /** NaN is no value. */
  numbers: Float64Array<ArrayBuffer>;
  /** Made when they are needed (`getRanks`), or by the worker. */
  places?: Ranks;
}

export interface TextColumn extends ColumnHead {
  /** Every text once, ascending. */
  texts: string[];
  /** The number of the text of each row; equal to the number of texts where there is none. */
  places: Ranks;
  /** All texts in lower case, in lines, and where each of them begins. */
  lines: string;
  starts: Uint32Array<ArrayBuffer>;
}

export type Column = NumberColumn | TextColumn;

export interface TableData {
  name: string;
  /** Index of the column by which the rows are sorted initially; null for the given order. */
  sort: number | null;
  columns: Column[];
  length: number;
}

export type Cell = number | string | null;

export function isText(column: Column): column is TextColumn {
  return "texts" in column;
}

export function getCell(column: Column, row: number): Cell {
  if (isText(column)) {
    return column.texts[column.places.ranks[row]!] ?? null;
  }
  const value = column.numbers[row]!;
  return Number.isNaN(value) ? null : value;
}

export function findColumn(table: TableData, name: string): Column | undefined {
  return table.columns.find((column) => column.name === name);
}

const made = new WeakMap<apiTypes.TableView, TableData>();

/** Return a table of an answer. It is made once. */
export function toTable(view: apiTypes.TableView): TableData {
  let table = made.get(view);
  if (!table) {
    const columns = view.columns.map(toColumn);
    table = { name: view.name, sort: view.sort, columns, length: view.columns[0]?.values.length ?? 0 };
    made.set(view, table);
  }
  return table;
}

function toColumn({ name, kind, minor, values }: apiTypes.ColumnView): Column {
  if (kind !== "text") {
    return { name, kind, minor, numbers: Float64Array.from(values, (value) => (typeof value === "number" ? value : NaN)) };
  }
  const places = new Map<string, number>();
  for (const value of values) {
    if (value !== null && value !== "") {
      places.set(String(value), 0);
    }
  }
  const texts = [...places.keys()].sort((a, b) => (a < b ? -1 : 1));
  texts.forEach((text, place) => places.set(text, place));
  const ranks = Uint32Array.from(values, (value) => places.get(String(value ?? "")) ?? texts.length);
  const lower = texts.map((text) => text.toLowerCase().replaceAll("\n", " "));
  const starts = new Uint32Array(texts.length + 1);
  lower.forEach((text, place) => (starts[place + 1] = starts[place]! + text.length + 1));
  return { name, kind, minor, texts, places: { ranks, count: texts.length }, lines: `${lower.join("\n")}\n`, starts };
}

export function getRanks(column: Column): Ranks {
  return isText(column) ? column.places : (column.places ??= rankNumbers(column.numbers));
}

export function rankNumbers(numbers: Float64Array): Ranks {
  const ascending = numbers.slice().sort(); // NaN comes last
  let count = 0;
  for (let at = 0; at < ascending.length && !Number.isNaN(ascending[at]); at++) {
    if (at === 0 || ascending[at] !== ascending[count - 1]) {
      ascending[count++] = ascending[at]!;
    }
  }
  const ranks = Uint32Array.from(numbers, (value) => (Number.isNaN(value) ? count : findRank(ascending, count, value)));
  return { ranks, count };
}

/** The place of a value that is among the first `count` of ascending ones. */
function findRank(ascending: Float64Array, count: number, value: number): number {
  let low = 0;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < value) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
