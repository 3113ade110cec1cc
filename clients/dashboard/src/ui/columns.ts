/** Columns of a table: how their values are shown, sorted and searched. */
import { type Cell, type Column, getRanks, isText, type NumberColumn, type TableData, type TextColumn } from "../data/table";
import { formatCount, formatPercent, formatPrice, formatQuantity, formatSignedPercent, formatSignedUsd, formatSpan, formatTime, formatUsd, visible } from "../format";

/** Return a value as text for people. */
export function formatCell(kind: string, value: Cell): string {
  switch (kind) {
    case "id":
      return value === null ? "–" : `#${value}`;
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
      return visible(value === null ? "" : String(value));
  }
}

/**
 * Return the rows in the order of a column; rows without a value come last in either direction, and equal ones stay in
 * the order of the table.
 *
 * An order is a count of the rows of each rank.
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

type Test = (row: number) => boolean;

/**
 * Return the rows that a search finds. Words are looked for in all texts; `#12` is an id; `profit>100`, `held<7` (days)
 * or `closed>=2024-01-31` compares a column whose name begins like that.
 */
export function filterRows(table: TableData, search: string): Uint32Array {
  const rows = new Uint32Array(table.length);
  for (let row = 0; row < rows.length; row++) {
    rows[row] = row;
  }
  let size = rows.length;
  for (const word of search.trim().split(/\s+/).filter(Boolean)) {
    const test = makeTest(table, word);
    let kept = 0;
    for (let at = 0; at < size; at++) {
      if (test(rows[at]!)) {
        rows[kept++] = rows[at]!;
      }
    }
    size = kept;
  }
  return rows.subarray(0, size);
}

function makeTest(table: TableData, word: string): Test {
  const comparison = /^([\p{L}_-]+)([<>]=?)(-?\d+-\d\d(?:-\d\d)?|-?[\d.]+)%?$/u.exec(word);
  const numbers = table.columns.filter((column): column is NumberColumn => !isText(column));
  const ids = numbers.filter((column) => column.kind === "id");
  if (/^#\d+$/.test(word) && ids.length > 0) {
    const wanted = Number(word.slice(1));
    return (row) => ids.some((column) => column.numbers[row] === wanted);
  }
  if (comparison) {
    const column = findByBeginning(numbers, comparison[1]!.toLowerCase());
    if (column) {
      return makeComparison(column, comparison[2]!, readLimit(column, comparison[3]!));
    }
  }
  return findWord(table, word.toLowerCase());
}

function findByBeginning(columns: NumberColumn[], name: string): NumberColumn | undefined {
  return columns.find((column) => column.name.toLowerCase() === name) ?? columns.find((column) => column.name.toLowerCase().startsWith(name));
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

/** No value is NaN, for which every comparison is false. */
function makeComparison({ numbers }: NumberColumn, sign: string, limit: number): Test {
  switch (sign) {
    case ">":
      return (row) => numbers[row]! > limit;
    case ">=":
      return (row) => numbers[row]! >= limit;
    case "<":
      return (row) => numbers[row]! < limit;
    default:
      return (row) => numbers[row]! <= limit;
  }
}

/** Each text is looked at once, however many rows have it. */
function findWord(table: TableData, wanted: string): Test {
  const found = new Uint8Array(table.length);
  for (const column of table.columns) {
    if (isText(column)) {
      const { ranks } = column.places;
      const has = findInTexts(column, wanted);
      for (let row = 0; has !== undefined && row < found.length; row++) {
        found[row]! |= has[ranks[row]!]!;
      }
    }
  }
  return (row) => found[row] === 1;
}

/** Return 1 for each text that has a word; undefined if none has. */
function findInTexts({ lines, starts }: TextColumn, wanted: string): Uint8Array | undefined {
  let at = lines.indexOf(wanted);
  if (at < 0) {
    return undefined;
  }
  const has = new Uint8Array(starts.length);
  for (let text = 0; at >= 0; at = lines.indexOf(wanted, starts[text])) {
    while (starts[text + 1]! <= at) {
      text++;
    }
    has[text++] = 1;
  }
  return has;
}

/** The sum of the profits of rows; undefined for a table without profits. */
export function sumProfit(columns: Column[], rows: Uint32Array): number | undefined {
  const column = columns.find(({ name }) => name === "Profit, USD");
  if (column === undefined || isText(column)) {
    return undefined;
  }
  let sum = 0;
  for (const row of rows) {
    sum += column.numbers[row]! || 0;
  }
  return sum;
}
