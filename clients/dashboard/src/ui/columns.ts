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
 * Return the rows in the order of a column; rows without a value come last in either direction.
 *
 * Texts are replaced by their rank, so that a hundred thousand rows are compared as numbers.
 */
export function sortRows(rows: Uint32Array, column: Column, isDescending: boolean): Uint32Array {
  const keys = getKeys(column);
  const direction = isDescending ? -1 : 1;
  return rows.slice().sort((left, right) => {
    const a = keys[left]!;
    const b = keys[right]!;
    if (a === b || (a !== a && b !== b)) {
      return left - right;
    }
    if (a !== a) {
      return 1;
    }
    return b !== b ? -1 : a < b ? -direction : direction;
  });
}

const keysOf = new WeakMap<Column["values"], Float64Array>();

function getKeys(column: Column): Float64Array {
  const kept = keysOf.get(column.values);
  if (kept) {
    return kept;
  }
  const keys = new Float64Array(column.values.length);
  if (isText(column)) {
    const texts = [...new Set(column.values as string[])].sort((a, b) => (a < b ? -1 : 1));
    const ranks = new Map(texts.map((text, rank) => [text, rank]));
    column.values.forEach((value, at) => (keys[at] = value === null || value === "" ? NaN : ranks.get(value as string)!));
  } else {
    column.values.forEach((value, at) => (keys[at] = typeof value === "number" ? value : NaN));
  }
  keysOf.set(column.values, keys);
  return keys;
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
