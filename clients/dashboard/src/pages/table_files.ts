/** Tables as Parquet files, which the server makes. */
import { askBlob, makeURL, under } from "../data/api";
import { saveBlob } from "../ui/save_file";

export async function saveTable(id: string, table: string, at: string | undefined): Promise<void> {
  const blob = await askBlob(makeURL(under(id, `/views/tables/${table}/file`), { format: "parquet", at }));
  saveBlob(blob, `${id}-${table}.parquet`);
}
