/** Open and closed positions. */
import { getCell } from "../data/table";
import { useTable } from "../data/use_table";
import { linkTo } from "../route";
import { Card } from "../ui/bits";
import { nameTable } from "../ui/file_buttons";
import { Show } from "../ui/states";
import { Table } from "../ui/table";
import type { EarlyPageProps } from "./strategy";

const TABLES = [
  { name: "open", title: "Open, frozen and waiting positions", nothing: "No position is open.", height: 380 },
  { name: "closed", title: "Closed positions", nothing: "No position was closed yet.", height: 640 },
  { name: "deposits", title: "Deposits, redemptions and corrections", nothing: "None is recorded.", height: 300 },
];

export function PositionsPage(props: EarlyPageProps) {
  return (
    <>
      {TABLES.map((table) => (
        <OneTable key={table.name} {...props} {...table} />
      ))}
    </>
  );
}

function OneTable({ route, id, at, version, name, title, nothing, height }: EarlyPageProps & (typeof TABLES)[number]) {
  const answer = useTable(id, name, at, version);
  const isPositions = name !== "deposits";
  return (
    <Card title={title}>
      <Show answer={answer}>
        {(table) => (
          <Table
            table={table}
            label={title.toLowerCase()}
            prefix={name.slice(0, 1)}
            nothing={nothing}
            height={height}
            {...(isPositions ? { link: (row: number) => linkTo(route, "position", String(getCell(table.columns[0]!, row))) } : {})}
            file={nameTable(id, name, at)}
          />
        )}
      </Show>
    </Card>
  );
}
