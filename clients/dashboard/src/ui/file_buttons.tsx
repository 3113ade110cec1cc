/** Tables as files, which the server makes: CSV for a spreadsheet, Parquet for a data frame. */
import { RequestFailed } from "@tradeexecutor/client";
import { useState } from "preact/hooks";

import { askBlob, describeError, makeURL, type Query, under } from "../data/api";
import { saveBlob } from "./save_file";

/** A table that the server has. */
export interface TableFile {
  /** Address without the format. */
  path: string;
  query: Query;
  /** Name of the file without its ending. */
  name: string;
}

export type Format = "csv" | "parquet";

/** The file of a table of one save. */
export function nameTable(id: string, table: string, at: string | undefined, query: Query = {}): TableFile {
  const number = query.position === undefined ? "" : `-${query.position}`;
  return { path: under(id, `/views/tables/${table}/file`), query: { at, ...query }, name: `${id}-${table}${number}` };
}

const PAUSE = 2_000;
const MOST_TRIES = 60;

/** Save a table; a server that is still computing it is asked again. */
export async function saveTable(file: TableFile, format: Format): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      const blob = await askBlob(makeURL(file.path, { ...file.query, format }));
      return saveBlob(blob, `${file.name}.${format}`);
    } catch (error) {
      if (!(error instanceof RequestFailed && describeError(error).isComputing) || tries >= MOST_TRIES) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  }
}

const NAMES = { csv: "CSV", parquet: "Parquet" };

export function FileButton({ file, format, what }: { file: TableFile; format: Format; what: string }) {
  const [state, setState] = useState<"" | "busy" | "failed">("");
  const save = async () => {
    setState("busy");
    setState(await saveTable(file, format).then(() => "" as const, () => "failed" as const));
  };
  return (
    <button type="button" disabled={state === "busy"} onClick={save} title={`Save the whole table as ${NAMES[format]}`} aria-label={`Save ${what} as ${NAMES[format]}`}>
      {state === "failed" ? `${NAMES[format]} failed` : NAMES[format]}
    </button>
  );
}

/** Both files of a table. */
export function FileButtons({ file, what }: { file: TableFile; what: string }) {
  return (
    <>
      <FileButton file={file} format="csv" what={what} />
      <FileButton file={file} format="parquet" what={what} />
    </>
  );
}
