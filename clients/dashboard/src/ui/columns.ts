/** Columns of a table: how their values are shown, sorted and searched. */
import type { apiTypes } from "@tradeexecutor/client";

import { formatCount, formatPercent, formatPrice, formatQuantity, formatSignedPercent, formatSignedUsd, formatSpan, formatTime, formatUsd, visible } from "../format";

export type Column = apiTypes.ColumnView;
export type Cell = number | string | null | undefined;

/** Return a value as text for people. */
export function formatCell(kind: string, value: Cell): string {
  switch (kind) {
    case "id":
      return value === null || value === undefined ? "–" : `#${value}`;
    case "count":
      return formatCount(value);
    case "time":
      return typeof value === "number" ? formatTime(value / 1000) : "–";
    case "span":
      return typeof value === "number" ? formatSpan(value / 1000) : "–";
    case "usd":
      return formatUsd(value);
    case "profit":
      return formatSignedUsd(value);
    case "fraction":
      return formatPercent(value);
    case "gain":
      return formatSignedPercent(value);
    case "price":
      return formatPrice(value);
    case "quantity":
      return formatQuantity(value);
    default:
      return visible(value === null || value === undefined ? "" : String(value));
  }
}

export function isText(column: Column): boolean {
  return column.kind === "text";
}

/**
 * Return the rows in the order of a column; rows without a value come last in either direction, and equal ones stay in
 * the order of the table.
 *
 * Each value is replaced by its rank once. After that an order is a count of the rows of each rank, so a hundred
 * thousand rows are sorted within milliseconds.
 */
export function sortRows(rows: Uint32Array, column: Column, isDescending: boolean): Uint32Array {
  const { ranks, count } = getRanks(column);
  // The last rank is that of rows without a value, in either direction.
  const place = (row: number) => (isDescending && ranks[row]! < count ? count - 1 - ranks[row]! : ranks[row]!);
  const starts = new Uint32Array(count + 2);
  for (let at = 0; at < rows.length; at++) {
    starts[place(rows[at]!) + 1]!++;
  }
  for (let rank = 1; rank < starts.length; rank++) {
    starts[rank]! += starts[rank - 1]!;
  }
  const sorted = new Uint32Array(rows.length);
  for (let at = 0; at < rows.length; at++) {
    sorted[starts[place(rows[at]!)]!++] = rows[at]!;
  }
  return sorted;
}

/** The rank of each row from 0, ascending, and the number of ranks; rows without a value have that number. */
interface Ranks {
  ranks: Uint32Array;
  count: number;
}

const ranksOf = new WeakMap<Column["values"], Ranks>();

function getRanks(column: Column): Ranks {
  let known = ranksOf.get(column.values);
  if (!known) {
    known = isText(column) ? rankTexts(column.values) : rankNumbers(column.values);
    ranksOf.set(column.values, known);
  }
  return known;
}

function rankTexts(values: Column["values"]): Ranks {
  const texts = [...new Set(values as string[])].filter((text) => text !== null && text !== "").sort((a, b) => (a < b ? -1 : 1));
  const known = new Map<Cell, number>(texts.map((text, rank) => [text, rank]));
  return { ranks: Uint32Array.from(values, (value) => known.get(value) ?? texts.length), count: texts.length };
}

function rankNumbers(values: Column["values"]): Ranks {
  const numbers = Float64Array.from(values as number[], (value) => (typeof value === "number" ? value : NaN));
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

/** Rank the values of a table while nobody waits, so that the first click on a heading is answered at once. */
export function prepareSorting(columns: Column[]): () => void {
  const waiting = columns.filter((column) => !ranksOf.has(column.values));
  let timer: ReturnType<typeof setTimeout> | undefined;
  const next = () => {
    const column = waiting.shift();
    if (column) {
      getRanks(column);
      timer = setTimeout(next, 20);
    }
  };
  timer = setTimeout(next, 200);
  return () => clearTimeout(timer);
}

type Test = (row: number) => boolean;

/**
 * Return the rows that a search finds. Words are looked for in all texts; `#12` is an id; `profit>100`, `held<7` (days)
 * or `closed>=2024-01-31` compares a column whose name begins like that.
 */
export function filterRows(columns: Column[], search: string): Uint32Array {
  const count = columns[0]?.values.length ?? 0;
  const tests = search.trim().split(/\s+/).filter(Boolean).map((word) => makeTest(columns, word));
  const found = new Uint32Array(count);
  let size = 0;
  for (let row = 0; row < count; row++) {
    if (tests.every((test) => test(row))) {
      found[size++] = row;
    }
  }
  return found.subarray(0, size);
}

function makeTest(columns: Column[], word: string): Test {
  const comparison = /^([\p{L}_-]+)([<>]=?)(-?\d+-\d\d(?:-\d\d)?|-?[\d.]+)%?$/u.exec(word);
  const ids = columns.filter((column) => column.kind === "id");
  if (/^#\d+$/.test(word) && ids.length > 0) {
    const wanted = Number(word.slice(1));
    return (row) => ids.some((column) => column.values[row] === wanted);
  }
  if (comparison) {
    const column = findColumn(columns, comparison[1]!.toLowerCase());
    if (column) {
      return makeComparison(column, comparison[2]!, readLimit(column, comparison[3]!));
    }
  }
  const wanted = word.toLowerCase();
  const texts = columns.filter(isText).map(getSearchTexts);
  return (row) => texts.some((lower) => lower[row]!.includes(wanted));
}

function findColumn(columns: Column[], name: string): Column | undefined {
  const numbers = columns.filter((column) => !isText(column));
  return numbers.find((column) => column.name.toLowerCase() === name) ?? numbers.find((column) => column.name.toLowerCase().startsWith(name));
}

/** Return what a typed number means: percent of a fraction, days of a span of time, a date (UTC) of a time. */
function readLimit(column: Column, text: string): number {
  switch (column.kind) {
    case "time":
      return Date.parse(`${text}T00:00Z`.replace(/^(\d+-\d\d)T/, "$1-01T"));
    case "gain":
    case "fraction":
      return Number(text) / 100;
    case "span":
      return Number(text) * 86_400_000;
    default:
      return Number(text);
  }
}

function makeComparison(column: Column, sign: string, limit: number): Test {
  const values = column.values as number[];
  const isNumber = (row: number) => typeof values[row] === "number";
  switch (sign) {
    case ">":
      return (row) => isNumber(row) && values[row]! > limit;
    case ">=":
      return (row) => isNumber(row) && values[row]! >= limit;
    case "<":
      return (row) => isNumber(row) && values[row]! < limit;
    default:
      return (row) => isNumber(row) && values[row]! <= limit;
  }
}

const lowerOf = new WeakMap<Column["values"], string[]>();

function getSearchTexts(column: Column): string[] {
  let lower = lowerOf.get(column.values);
  if (!lower) {
    const known = new Map<unknown, string>();
    lower = column.values.map((value) => {
      let text = known.get(value);
      if (text === undefined) {
        text = String(value ?? "").toLowerCase();
        known.set(value, text);
      }
      return text;
    });
    lowerOf.set(column.values, lower);
  }
  return lower;
}
