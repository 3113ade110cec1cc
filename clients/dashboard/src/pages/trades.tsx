/** All trades. */
import { useTable } from "../data/use_table";
import { Card } from "../ui/bits";
import { nameTable } from "../ui/file_buttons";
import { Show } from "../ui/states";
import { Table } from "../ui/table";
import type { EarlyPageProps } from "./strategy";
import { linkToTrade } from "./summary";

export function TradesPage({ route, id, at, version }: EarlyPageProps) {
  const answer = useTable(id, "trades", at, version);
  return (
    <Card title="Trades">
      <Show answer={answer}>
        {(table) => (
          <Table
            table={table}
            label="trades"
            prefix="t"
            nothing="Nothing was traded yet."
            height={680}
            link={(row) => linkToTrade(route, table, row)}
            file={nameTable(id, "trades", at)}
          />
        )}
      </Show>
    </Card>
  );
}
