/** One position: prices with entries, exits and stops, its trades and their transactions. */
import { useMemo } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { toTable } from "../data/table";
import { useAnswer } from "../data/use_answer";
import { formatCount, formatPrice, formatQuantity, formatUsd, showFigure, visible } from "../format";
import { linkTo, type Route } from "../route";
import { Card, Pill, signClass, Text, Time } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { getColour, useTheme } from "../ui/theme";
import { type ChartLine, type ChartMark, TimeChart } from "../ui/time_chart";
import type { PageProps } from "./strategy";

const STATUS: Record<string, string> = { open: "good", frozen: "bad", closed: "plain", pending: "doubt", expired: "plain" };

export function PositionPage({ route, id, at, version }: PageProps) {
  const answer = useAnswer<apiTypes.PositionView>(makeURL(under(id, `/views/positions/${encodeURIComponent(route.item)}`), { at }), version);
  const of = { position: route.item };
  return (
    <Show answer={answer} height={600}>
      {(position) => (
        <>
          <PositionHead position={position} route={route} />
          <Facts facts={position.facts} />
          <Card title="Price, entries and exits">
            <PriceChart position={position} />
          </Card>
          <Card title="Trades">
            <Table table={toTable(position.trades)} label={`trades of position ${position.position_id}`} prefix="t" nothing="No trade yet." height={360} canSearch={false} file={nameTable(id, "position-trades", at, of)} />
          </Card>
          <Card title="Transactions" tools={position.transactions.length > 0 && <FileButtons file={nameTable(id, "position-transactions", at, of)} what="transactions" />}>
            <Transactions transactions={position.transactions} />
          </Card>
          {(position.events.columns[0]?.values.length ?? 0) > 0 && (
            <Card title="Interest, deposits and corrections">
              <Table table={toTable(position.events)} label={`events of position ${position.position_id}`} prefix="e" nothing="None." height={320} canSearch={false} file={nameTable(id, "position-events", at, of)} />
            </Card>
          )}
          {position.notes && (
            <Card title="Notes">
              <p class="notes">{visible(position.notes)}</p>
            </Card>
          )}
        </>
      )}
    </Show>
  );
}

function PositionHead({ position, route }: { position: apiTypes.PositionView; route: Route }) {
  return (
    <div class="line position-head">
      <h2>
        #{position.position_id} <Text>{position.ticker}</Text>
      </h2>
      <Pill level={STATUS[position.status] ?? "plain"}>{position.status}</Pill>
      <span class="faint">{position.kind}</span>
      <span class="grow" />
      {(position.status === "open" || position.status === "frozen") && !route.values.at && (
        <a href={linkTo(route, "operate", "close-position", { position: String(position.position_id) })}>Close it …</a>
      )}
      {position.before !== null && (
        <a href={linkTo(route, "position", String(position.before))} rel="prev">
          ← #{position.before}
        </a>
      )}
      {position.after !== null && (
        <a href={linkTo(route, "position", String(position.after))} rel="next">
          #{position.after} →
        </a>
      )}
    </div>
  );
}

function Facts({ facts }: { facts: apiTypes.FactView[] }) {
  return (
    <dl class="facts card columns">
      {facts
        .filter((fact) => fact.value !== null)
        .map((fact) => (
          <div key={fact.key}>
            <dt>{fact.name}</dt>
            <dd>{showFact(fact)}</dd>
          </div>
        ))}
    </dl>
  );
}

function showFact(fact: apiTypes.FactView) {
  if (fact.unit === "time" && typeof fact.value === "number") {
    return <Time at={fact.value} />;
  }
  const isResult = fact.key.startsWith("profit");
  const unit = fact.unit === "usd" || fact.unit === "price" ? " USD" : fact.note ? ` ${visible(fact.note)}` : "";
  return (
    <span class={`number ${isResult ? signClass(fact.value) : ""}`}>
      {showFigure(fact.text)}
      <small>{unit}</small>
    </span>
  );
}

function PriceChart({ position }: { position: apiTypes.PositionView }) {
  const theme = useTheme();
  const lines = useMemo(() => makeLines(position), [position, theme]);
  const marks = useMemo(() => makeMarks(position), [position, theme]);
  if (position.prices.times.length === 0) {
    return <Empty>The state has recorded no price of this position.</Empty>;
  }
  return (
    <>
      <TimeChart
        title={`Price of ${visible(position.ticker)}, USD`}
        label={`Chart of ${position.prices.times.length} recorded prices with ${position.marks.length} trades.`}
        lines={lines}
        marks={marks}
        format={formatPrice}
        height={320}
        group="position"
      />
      <p class="faint">
        ▲ bought, ▼ sold. The prices are those that the state has recorded: at trades, valuations and samples.
      </p>
      {position.quantity.times.length > 1 && (
        <TimeChart title="Quantity held" label="Chart of the quantity held over time." lines={[makeQuantity(position)]} format={formatQuantity} height={140} group="position" />
      )}
      {position.interest && (
        <TimeChart title="Interest so far, USD" label="Chart of the interest received over time." lines={[makeInterest(position.interest)]} format={formatUsd} height={140} />
      )}
    </>
  );
}

function makeLines({ prices, levels }: apiTypes.PositionView): ChartLine[] {
  const colours: Record<string, string> = { "Stop loss": getColour("loss"), "Take profit": getColour("gain"), Liquidation: getColour("doubt") };
  return [
    { name: "Price", times: prices.times, values: prices.values, colour: getColour("main") },
    ...levels.map((level) => ({
      name: level.name,
      times: level.times,
      values: level.values,
      colour: colours[level.name] ?? getColour("faint"),
      isStep: true,
      isDashed: true,
    })),
  ];
}

function makeMarks({ marks }: apiTypes.PositionView): ChartMark[] {
  return marks.map(({ at, price, side, text }) => ({
    at,
    value: price,
    shape: side === "buy" ? "up" : "down",
    colour: getColour(side === "buy" ? "gain" : "loss"),
    text: visible(text),
  }));
}

function makeQuantity({ quantity }: apiTypes.PositionView): ChartLine {
  return { name: "Quantity", times: quantity.times, values: quantity.values, colour: getColour("main"), fill: getColour("main-fill"), isStep: true };
}

function makeInterest(curve: apiTypes.Curve): ChartLine {
  return { name: "Interest", times: curve.times, values: curve.values, colour: getColour("gain"), isStep: true };
}

function Transactions({ transactions }: { transactions: apiTypes.TransactionView[] }) {
  if (transactions.length === 0) {
    return <Empty>No transaction is recorded; a backtest sends none.</Empty>;
  }
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Transactions">
      <table>
        <thead>
          <tr>
            <th scope="col" class="id">
              Trade
            </th>
            <th scope="col">Status</th>
            <th scope="col">Function</th>
            <th scope="col">Hash</th>
            <th scope="col" class="count">
              Nonce
            </th>
            <th scope="col" class="count">
              Block
            </th>
            <th scope="col">Sent (UTC)</th>
            <th scope="col" class="quantity">
              Fee, native token
            </th>
            <th scope="col">Why it failed</th>
          </tr>
        </thead>
        <tbody>
          {transactions.map((transaction) => (
            <tr key={`${transaction.trade_id} ${transaction.nonce} ${transaction.tx_hash}`}>
              <td class="id">#{transaction.trade_id}</td>
              <td>
                <Pill level={transaction.status === "success" ? "good" : transaction.status === "failed" ? "bad" : "doubt"}>{transaction.status}</Pill>
              </td>
              <td>
                <Text>{transaction.function}</Text>
              </td>
              <td class="hash">
                <Text most={20}>{transaction.tx_hash}</Text>
              </td>
              <td class="count">{transaction.nonce ?? "–"}</td>
              <td class="count">{formatCount(transaction.block_number)}</td>
              <td>
                <Time at={transaction.broadcasted_at} seconds />
              </td>
              <td class="quantity">{formatQuantity(transaction.fee)}</td>
              <td class="wide">{visible(transaction.reason)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
