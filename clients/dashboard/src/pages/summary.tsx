/** The first page of a strategy: what do I have, what happened, is anything wrong. */
import { type apiTypes, makeURL, under } from "../data/api";
import { findColumn, getCell, type TableData } from "../data/table";
import { useAnswer } from "../data/use_answer";
import { useTable } from "../data/use_table";
import { formatMonth, formatPercent, formatRatio, formatUsd, plural, visible } from "../format";
import { linkTo, type Route } from "../route";
import { Age, Card, Gain, Pill, Profit, Tile, Time } from "../ui/bits";
import { EquityChart } from "../ui/equity_chart";
import { nameTable } from "../ui/file_buttons";
import { Show } from "../ui/states";
import { Table } from "../ui/table";
import { AttentionList } from "./attention";
import { linkToMonth } from "./statistics";
import type { PageProps } from "./strategy";

const FEW = 3;

/** Number of trades that are shown; the server requires at least ten. */
const LATEST = 12;

export function SummaryPage(props: PageProps) {
  const { route, id, version, at, summary, process } = props;
  // What takes the server longer is asked for when the figures of the same save have come, so that nothing waits for it.
  const later = at ? version : summary.key;
  const attention = useAnswer<apiTypes.Attention>(makeURL(under(id, "/views/attention"), { at }), later);
  const open = useTable(id, "open", at, version);
  const trades = useTable(id, "trades", at, version, { last: LATEST });
  return (
    <>
      <Tiles summary={summary} route={route} />
      {process?.error && (
        <p class="problem" role="alert">
          <strong>The strategy has crashed.</strong> {visible(process.error)}
        </p>
      )}
      {attention.data && attention.data.items.some((item) => item.level !== "note") && (
        <Card
          title="Needs attention"
          tools={<a href={linkTo(route, "attention")}>All {plural(attention.data.items.length, "finding")}</a>}
        >
          <AttentionList items={attention.data.items.filter((item) => item.level !== "note").slice(0, FEW)} route={route} />
        </Card>
      )}
      <Card title="Value and drawdown">
        <EquityChart {...props} version={later} />
      </Card>
      <Card title="Open positions">
        <Show answer={open}>
          {(table) => (
            <Table
              table={table}
              label="open positions"
              prefix="o"
              nothing="No position is open."
              height={380}
              canSearch={table.length > 8}
              link={(row) => linkTo(route, "position", String(getCell(table.columns[0]!, row)))}
              file={nameTable(id, "open", at)}
            />
          )}
        </Show>
      </Card>
      <Card title="Latest trades" tools={<a href={linkTo(route, "trades")}>All {plural(summary.trades, "trade")}</a>}>
        <Show answer={trades}>
          {(table) => (
            <Table
              table={table}
              label="latest trades"
              prefix="t"
              nothing="Nothing was traded yet."
              canSearch={false}
              link={(row) => linkToTrade(route, table, row)}
              file={nameTable(id, "trades", at)}
            />
          )}
        </Show>
      </Card>
    </>
  );
}

export function linkToTrade(route: PageProps["route"], table: TableData, row: number): string | undefined {
  const column = findColumn(table, "Position");
  const position = column ? getCell(column, row) : null;
  return position === null ? undefined : linkTo(route, "position", String(position));
}

/** What the last whole month brought, and the way to the positions that made it. */
function LastMonth({ summary, route }: { summary: apiTypes.SummaryView; route: Route }) {
  const [month] = summary.months.length > 1 ? summary.months : [];
  return month === undefined ? null : (
    <Tile
      name={`${formatMonth(month.label)}, USD`}
      under={
        <>
          <Gain value={month.value} /> <a href={linkToMonth(route, month.label)}>Why</a>
        </>
      }
      help="The last whole month, without deposits and redemptions."
    >
      <Profit value={month.profit} />
    </Tile>
  );
}

function Tiles({ summary, route }: { summary: apiTypes.SummaryView; route: Route }) {
  const hold = summary.buy_and_hold === null ? undefined : `buy and hold ${formatPercent(summary.buy_and_hold)}`;
  return (
    <dl class="tiles">
      <Tile name="Value, USD" under={`cash ${formatUsd(summary.cash)}`} help="Net asset value: cash and all positions.">
        {formatUsd(summary.value)}
      </Tile>
      <Tile name="Profit, USD" under={`net deposits ${formatUsd(summary.net_deposits)}`} help="Without deposits and redemptions.">
        <Profit value={summary.profit} />
      </Tile>
      <Tile name="Return" under={hold ?? "time-weighted"} help="Time-weighted: deposits are no profit.">
        <Gain value={summary.total_return} />
      </Tile>
      <Tile name="Return of a year" under={`Sharpe ratio ${formatRatio(summary.sharpe)}`} help="None for less than 30 days.">
        <Gain value={summary.cagr} />
      </Tile>
      <LastMonth summary={summary} route={route} />
      <Tile name="Drawdown now" under={`maximum ${formatPercent(summary.max_drawdown)}`}>
        {formatPercent(summary.drawdown)}
      </Tile>
      <Tile
        name="Positions open"
        under={
          <>
            {summary.frozen_positions > 0 && <Pill level="bad">{plural(summary.frozen_positions, "frozen")}</Pill>}{" "}
            {plural(summary.closed_positions, "closed position")}
          </>
        }
      >
        {summary.open_positions}
      </Tile>
      <Tile name="Last trade" under={<Time at={summary.last_trade_at} />}>
        <Age at={summary.last_trade_at} />
      </Tile>
    </dl>
  );
}
