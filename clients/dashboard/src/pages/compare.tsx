/** Two runs side by side, e.g. a live run and its backtest: figures, growth, and why their equity differs. */
import { useMemo } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatCount, formatPercent, plural, showFigure, visible } from "../format";
import { setValues } from "../route";
import { Card, Profit, Text } from "../ui/bits";
import { saveText, toCsv } from "../ui/save_file";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { getColour, useTheme } from "../ui/theme";
import { TimeChart } from "../ui/time_chart";
import type { PageProps } from "./strategy";

export function ComparePage(props: PageProps) {
  const { route, id, version } = props;
  const list = useAnswer<apiTypes.StrategyList>(makeURL("/v1/strategies"), version);
  return (
    <Show answer={list}>
      {({ strategies }) => {
        const others = strategies.filter((entry) => entry.id !== id && !entry.problem);
        const other = others.find((entry) => entry.id === route.values.with)?.id;
        return (
          <>
            <Card title="Compare with another run">
              {others.length === 0 ? (
                <Empty>
                  This server has no other strategy. <code>tradeexecutor dashboard live.json backtest.json</code> shows two.
                </Empty>
              ) : (
                <label>
                  A is this strategy, B is{" "}
                  <select value={other ?? ""} onChange={(event) => setValues({ with: event.currentTarget.value })}>
                    <option value="">choose …</option>
                    {others.map((entry) => (
                      <option key={entry.id} value={entry.id}>
                        {visible(entry.name && entry.name !== entry.id ? `${entry.id} (${entry.name.slice(0, 60)})` : entry.id)}
                      </option>
                    ))}
                  </select>
                </label>
              )}
            </Card>
            {other && <Comparison {...props} other={other} />}
          </>
        );
      }}
    </Show>
  );
}

function Comparison({ id, at, version, other }: PageProps & { other: string }) {
  const answer = useAnswer<apiTypes.ComparisonView>(makeURL(under(id, "/views/comparison"), { other, at }), version);
  return (
    <Show answer={answer} height={500}>
      {(data) => (
        <>
          {data.mismatch && <p class="banner">{visible(data.mismatch)}</p>}
          <Card title="Growth">
            <Growth data={data} />
          </Card>
          <Card title="Why the equity differs, B less A">
            <Causes data={data} />
          </Card>
          <Card title="Figures" tools={<FiguresFile data={data} />}>
            <Figures data={data} />
          </Card>
          <Card title="Trades that differ">
            <p class="faint">{plural(data.equal_trades, "trade is the same", "trades are the same")} in both.</p>
            <Table table={data.differing} label="trades that differ" prefix="d" nothing="All trades are the same." height={480} />
          </Card>
        </>
      )}
    </Show>
  );
}

function Growth({ data }: { data: apiTypes.ComparisonView }) {
  const theme = useTheme();
  const lines = useMemo(
    () =>
      data.growth.map(({ name, times, values }) => ({
        name: `${name}: ${name === "A" ? data.first : data.second}`,
        times,
        values,
        colour: getColour(name === "A" ? "main" : "other"),
        isDashed: name === "B",
      })),
    [data, theme],
  );
  return lines.length === 0 ? (
    <Empty>Neither has enough samples.</Empty>
  ) : (
    <TimeChart title="Growth" label="Chart of the growth of both runs." lines={lines} format={(value) => formatPercent(value, 1)} height={280} />
  );
}

function Causes({ data }: { data: apiTypes.ComparisonView }) {
  if (data.causes.length === 0) {
    return <Empty>The equity of both is the same, to the cent.</Empty>;
  }
  return (
    <>
      <div class="rows" tabIndex={0} role="region" aria-label="Causes">
        <table>
          <thead>
            <tr>
              <th scope="col">Cause</th>
              <th scope="col" class="usd">
                USD
              </th>
              <th scope="col" class="count">
                Trades
              </th>
              <th scope="col">First</th>
            </tr>
          </thead>
          <tbody>
            {data.causes.map((cause) => (
              <tr key={cause.text}>
                <td class="wide">{visible(cause.text)}</td>
                <td class="usd">
                  <Profit value={cause.usd} />
                </td>
                <td class="count">{cause.trades ? formatCount(cause.trades) : ""}</td>
                <td>
                  <Text>{cause.first}</Text>
                </td>
              </tr>
            ))}
            <tr>
              <th scope="row">Total</th>
              <td class="usd">
                <Profit value={data.causes.reduce((sum, cause) => sum + cause.usd, 0)} />
              </td>
              <td />
              <td />
            </tr>
          </tbody>
        </table>
      </div>
      {data.first_input && (
        <p>
          The first plotted value that differed before a decision is <bdi>{visible(data.first_input)}</bdi>.
        </p>
      )}
    </>
  );
}

function pairUp(data: apiTypes.ComparisonView): Array<[group: string, a: apiTypes.FactView, b: apiTypes.FactView | undefined]> {
  const others = new Map(data.other_groups.flatMap((group) => group.figures).map((figure) => [figure.key, figure]));
  return data.groups.flatMap((group) => group.figures.map((figure) => [group.title, figure, others.get(figure.key)] as [string, apiTypes.FactView, apiTypes.FactView | undefined]));
}

function Figures({ data }: { data: apiTypes.ComparisonView }) {
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Figures of both">
      <table>
        <thead>
          <tr>
            <th scope="col">Figure</th>
            <th scope="col" class="usd">
              A
            </th>
            <th scope="col" class="usd">
              B
            </th>
          </tr>
        </thead>
        <tbody>
          {pairUp(data).map(([, a, b]) => (
            <tr key={a.key} {...(a.help ? { title: a.help } : {})}>
              <td>
                {a.name}
                {a.unit === "usd" && ", USD"}
              </td>
              <td class="usd">{showFigure(a.text)}</td>
              <td class="usd">{showFigure(b?.text ?? "–")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function FiguresFile({ data }: { data: apiTypes.ComparisonView }) {
  const save = () =>
    saveText(toCsv([["figure", data.first, data.second], ...pairUp(data).map(([, a, b]) => [a.name, a.value, b?.value])]), `${data.first}-${data.second}.csv`, "text/csv");
  return (
    <button type="button" onClick={save}>
      CSV
    </button>
  );
}
