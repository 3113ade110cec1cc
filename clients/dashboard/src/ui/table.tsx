/**
 * A table of any length: sorted, searched, and only the rows in view are in the page.
 *
 * Sorting and search are part of the address. Arrow keys move through the rows, Enter opens one.
 */
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";

import { type Column, getCell, type TableData } from "../data/table";
import { formatCount, formatSignedUsd, plural } from "../format";
import { setValues, useRoute } from "../route";
import { filterRows, sortRows, sumProfit } from "./columns";
import { FileButton, type TableFile } from "./file_buttons";
import { RowWindow } from "./row_window";
import { saveText, toCsv } from "./save_file";
import { Empty } from "./states";

export interface TableProps {
  table: TableData;
  /** What a screen reader calls the table, and the beginning of the names of its files. */
  label: string;
  /** Prefix of the values in the address, when a page has several tables. */
  prefix?: string;
  /** What an empty table says. */
  nothing: string;
  /** Address of the row, the same as long as the table is; none without it. */
  link?: (row: number) => string | undefined;
  height?: number;
  canSearch?: boolean;
  /** Where the server has the whole table as a file. */
  file: TableFile;
}

export function Table({ table, label, prefix = "", nothing, link, height = 560, canSearch = true, file }: TableProps) {
  const { values } = useRoute();
  const search = values[`${prefix}q`] ?? "";
  const [sorted, isDescending] = readSort(table, values[`${prefix}sort`]);
  const found = useMemo(() => filterRows(table, search), [table, search]);
  const rows = useMemo(() => {
    const column = table.columns[sorted];
    return column ? sortRows(found, column, isDescending) : found;
  }, [found, sorted, isDescending]);
  const profit = useMemo(() => sumProfit(table.columns, found), [found]);
  const sort = (index: number) => {
    const column = table.columns[index]!;
    const next = index === sorted ? !isDescending : column.kind !== "text";
    setValues({ [`${prefix}sort`]: `${next ? "-" : ""}${column.name}` });
  };
  const saveCsv = () => {
    const body = Array.from(rows, (row) => table.columns.map((column) => toFileValue(column, row)));
    saveText(toCsv([table.columns.map((column) => column.name), ...body]), `${file.name}.csv`, "text/csv");
  };
  if (table.length === 0) {
    return <Empty>{nothing}</Empty>;
  }
  return (
    <div class="table-box">
      <div class="table-tools">
        {canSearch && <SearchBox value={search} label={label} onChange={(text) => setValues({ [`${prefix}q`]: text })} />}
        <span class="faint" role="status">
          {rows.length === table.length ? plural(table.length, "row") : `${formatCount(rows.length)} of ${plural(table.length, "row")}`}
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
        order={`${sorted} ${isDescending} ${search}`}
        onSort={sort}
        {...(link ? { link } : {})}
      />
    </div>
  );
}

function readSort(table: TableData, text: string | undefined): [number, boolean] {
  if (text === undefined) {
    return [table.sort ?? -1, true];
  }
  const isDescending = text.startsWith("-");
  const name = isDescending ? text.slice(1) : text;
  const index = table.columns.findIndex((column) => column.name === name);
  return index < 0 ? [table.sort ?? -1, true] : [index, isDescending];
}

function toFileValue(column: Column, row: number): string | number | null {
  const value = getCell(column, row);
  return column.kind === "time" && typeof value === "number" ? new Date(value).toISOString().slice(0, 19) : value;
}

function SearchBox({ value, label, onChange }: { value: string; label: string; onChange: (text: string) => void }) {
  return (
    <input
      type="search"
      class="search"
      value={value}
      aria-label={`Search in ${label}`}
      placeholder="Search, #12, profit<0 …"
      title="Words are looked for in all texts. #12 finds an id. profit>100, held<7 (days) and closed>=2024-01-31 compare a column."
      onInput={(event) => onChange(event.currentTarget.value)}
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
  /** What determines the order of the rows: a new one is shown from the top, new rows of a running strategy are not. */
  order: string;
  onSort: (index: number) => void;
  link?: (row: number) => string | undefined;
}

function Rows({ columns, rows, label, height, sorted, isDescending, order, onSort, link }: RowsProps) {
  const box = useRef<HTMLDivElement>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const view = useRef<RowWindow | undefined>(undefined);
  const before = useRef(order);
  useLayoutEffect(() => {
    view.current ??= new RowWindow(box.current!, body.current!, height);
    view.current.show({ columns, rows, link: link ?? (() => undefined) }, before.current !== order);
    before.current = order;
  }, [columns, rows, order]);
  const press = (event: KeyboardEvent) => {
    if (view.current?.press(event.key)) {
      event.preventDefault();
    } else if (event.key === "Enter" && event.target === box.current) {
      const address = view.current?.address;
      if (address) {
        location.hash = address.slice(1);
      }
    }
  };
  return (
    <div
      ref={box}
      class="rows"
      style={{ maxHeight: `${height}px` }}
      tabIndex={0}
      role="region"
      aria-label={label}
      onScroll={(event) => view.current?.scroll(event.currentTarget.scrollTop)}
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
                <button type="button" data-column={column.name} onClick={() => onSort(index)}>
                  {column.name}
                  <span class="arrow" aria-hidden="true">
                    {index === sorted ? (isDescending ? "▼" : "▲") : ""}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body} />
      </table>
      {rows.length === 0 && <Empty>Nothing is found. Change the search.</Empty>}
    </div>
  );
}
