/**
 * A table of any length: sorted, searched, and only the rows in view are in the page.
 *
 * Sorting and search are part of the address. Arrow keys move through the rows, Enter opens one.
 */
import type { apiTypes } from "@tradeexecutor/client";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { formatCount, formatLocal, formatSignedUsd, plural } from "../format";
import { setValues, useRoute } from "../route";
import { type Column, filterRows, formatCell, prepareSorting, sortRows } from "./columns";
import { FileButton, type TableFile } from "./file_buttons";
import { saveText, toCsv } from "./save_file";
import { Empty } from "./states";

const ROW = 34;
const EXTRA = 12;

/** Time after a key until the rows follow, milliseconds: keys that are pressed together are one search. */
const TYPING = 30;

/** From so many rows on the first sorting of a column would be felt. */
const MANY = 20_000;

export interface TableProps {
  table: apiTypes.TableView;
  /** What a screen reader calls the table, and the beginning of the names of its files. */
  label: string;
  /** Prefix of the values in the address, when a page has several tables. */
  prefix?: string;
  /** What an empty table says. */
  nothing: string;
  /** Address of the row; none without it. */
  link?: (row: number) => string | undefined;
  /** Names of the columns whose ids lead to the row's address. */
  height?: number;
  canSearch?: boolean;
  /** Where the server has the whole table as a file. */
  file: TableFile;
}

export function Table({ table, label, prefix = "", nothing, link, height = 560, canSearch = true, file }: TableProps) {
  const { values } = useRoute();
  const search = values[`${prefix}q`] ?? "";
  const [sorted, isDescending] = readSort(table, values[`${prefix}sort`]);
  const rows = useMemo(() => {
    const found = filterRows(table.columns, search);
    const column = table.columns[sorted];
    return column ? sortRows(found, column, isDescending) : found;
  }, [table, search, sorted, isDescending]);
  const count = table.columns[0]?.values.length ?? 0;
  useEffect(() => (count > MANY ? prepareSorting(table.columns) : undefined), [table]);
  const profit = useMemo(() => sumProfit(table.columns, rows), [table, rows]);
  const sort = (index: number) => {
    const column = table.columns[index]!;
    const next = index === sorted ? !isDescending : column.kind !== "text";
    setValues({ [`${prefix}sort`]: `${next ? "-" : ""}${column.name}` });
  };
  const saveCsv = () => {
    const body = Array.from(rows, (row) => table.columns.map((column) => toFileValue(column, row)));
    saveText(toCsv([table.columns.map((column) => column.name), ...body]), `${file.name}.csv`, "text/csv");
  };
  if (count === 0) {
    return <Empty>{nothing}</Empty>;
  }
  return (
    <div class="table-box">
      <div class="table-tools">
        {canSearch && <SearchBox value={search} label={label} onChange={(text) => setValues({ [`${prefix}q`]: text })} />}
        <span class="faint" role="status">
          {rows.length === count ? plural(count, "row") : `${formatCount(rows.length)} of ${plural(count, "row")}`}
          {profit !== undefined && `, together ${formatSignedUsd(profit)} USD`}
        </span>
        <span class="tools">
          <button type="button" onClick={saveCsv} title="Save the rows that are shown" aria-label={`Save ${label} as CSV`}>
            CSV
          </button>
          <FileButton file={file} format="parquet" what={label} />
        </span>
      </div>
      <Rows
        columns={table.columns}
        rows={rows}
        label={label}
        height={height}
        sorted={sorted}
        isDescending={isDescending}
        onSort={sort}
        {...(link ? { link } : {})}
      />
    </div>
  );
}

/** The sum of the profits of rows; undefined for a table without profits. */
function sumProfit(columns: Column[], rows: Uint32Array): number | undefined {
  const values = columns.find((column) => column.name === "Profit, USD")?.values;
  return values && rows.reduce((sum, row) => sum + (Number(values[row]) || 0), 0);
}

function readSort(table: apiTypes.TableView, text: string | undefined): [number, boolean] {
  if (text === undefined) {
    return [table.sort ?? -1, true];
  }
  const isDescending = text.startsWith("-");
  const name = isDescending ? text.slice(1) : text;
  const index = table.columns.findIndex((column) => column.name === name);
  return index < 0 ? [table.sort ?? -1, true] : [index, isDescending];
}

function toFileValue(column: Column, row: number): string | number | null {
  const value = column.values[row] ?? null;
  return column.kind === "time" && typeof value === "number" ? new Date(value).toISOString().slice(0, 19) : value;
}

function SearchBox({ value, label, onChange }: { value: string; label: string; onChange: (text: string) => void }) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => setText(value), [value]);
  return (
    <input
      type="search"
      class="search"
      value={text}
      aria-label={`Search in ${label}`}
      placeholder="Search, #12, profit<0 …"
      title="Words are looked for in all texts. #12 finds an id. profit>100, held<7 (days) and closed>=2024-01-31 compare a column."
      onInput={(event) => {
        const next = event.currentTarget.value;
        setText(next);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => onChange(next), TYPING);
      }}
    />
  );
}

interface RowsProps {
  columns: Column[];
  rows: Uint32Array;
  label: string;
  height: number;
  sorted: number;
  isDescending: boolean;
  onSort: (index: number) => void;
  link?: (row: number) => string | undefined;
}

function Rows({ columns, rows, label, height, sorted, isDescending, onSort, link }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [active, setActive] = useState(-1);
  const first = Math.max(0, Math.floor(top / ROW) - EXTRA);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + EXTRA);
  // Sorting and searching begin at the top; new rows of a running strategy do not move what is looked at.
  const order = `${sorted} ${isDescending}`;
  const before = useRef(order);
  useLayoutEffect(() => {
    if (before.current !== order) {
      before.current = order;
      box.current?.scrollTo({ top: 0 });
      setActive(-1);
    }
  }, [order]);
  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), rows.length - 1);
    setActive(next);
    const element = box.current;
    if (element) {
      const y = next * ROW;
      if (y < element.scrollTop) {
        element.scrollTop = y;
      } else if (y + 2 * ROW > element.scrollTop + element.clientHeight) {
        element.scrollTop = y + 2 * ROW - element.clientHeight;
      }
    }
  };
  const press = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW) - 2);
    const steps: Record<string, number> = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: rows.length - 1 };
    const to = steps[event.key];
    if (to !== undefined) {
      event.preventDefault();
      move(to);
    } else if (event.key === "Enter" && active >= 0 && event.target === box.current) {
      const address = link?.(rows[active]!);
      if (address) {
        location.hash = address.slice(1);
      }
    }
  };
  const shown = Array.from(rows.subarray(first, last));
  return (
    <div
      ref={box}
      class="rows"
      style={{ maxHeight: `${height}px` }}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
      onKeyDown={press}
    >
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {columns.map((column, index) => (
              <th
                key={column.name}
                scope="col"
                class={`${column.kind} ${column.minor ? "minor" : ""}`}
                aria-sort={index === sorted ? (isDescending ? "descending" : "ascending") : "none"}
              >
                <button type="button" onClick={() => onSort(index)}>
                  {column.name}
                  <span class="arrow" aria-hidden="true">
                    {index === sorted ? (isDescending ? "▼" : "▲") : ""}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {first > 0 && <tr aria-hidden="true" style={{ height: `${first * ROW}px` }} />}
          {shown.map((row, at) => (
            <Row key={row} columns={columns} row={row} position={first + at} isActive={first + at === active} {...(link ? { link } : {})} />
          ))}
          {last < rows.length && <tr aria-hidden="true" style={{ height: `${(rows.length - last) * ROW}px` }} />}
        </tbody>
      </table>
      {rows.length === 0 && <Empty>Nothing is found. Change the search.</Empty>}
    </div>
  );
}

interface RowProps {
  columns: Column[];
  row: number;
  position: number;
  isActive: boolean;
  link?: (row: number) => string | undefined;
}

function Row({ columns, row, position, isActive, link }: RowProps) {
  const address = link?.(row);
  return (
    <tr class={isActive ? "active" : ""} aria-rowindex={position + 2}>
      {columns.map((column, index) => {
        const value = column.values[row];
        const text = formatCell(column.kind, value);
        const classes = [column.kind, column.minor ? "minor" : "", getSign(column.kind, value)].join(" ");
        const title = column.kind === "time" && typeof value === "number" ? formatLocal(value / 1000) : text.length > 24 ? text : undefined;
        return (
          <td key={column.name} class={classes} {...(title ? { title } : {})}>
            {index === 0 && address ? <a href={address}>{text}</a> : column.kind === "text" ? <bdi>{text}</bdi> : text}
          </td>
        );
      })}
    </tr>
  );
}

function getSign(kind: string, value: unknown): string {
  if ((kind !== "profit" && kind !== "gain") || typeof value !== "number" || value === 0) {
    return "";
  }
  return value > 0 ? "gain-value" : "loss-value";
}
