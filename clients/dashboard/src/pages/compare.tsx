/** Two runs side by side, e.g. a live run and its backtest: figures, growth, and why their equity differs. */
import { useMemo } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { toTable } from "../data/table";
import { useAnswer } from "../data/use_answer";
import { formatCount, formatPercent, formatUsd, plural, showFigure, visible } from "../format";
import { setValues } from "../route";
import { Card, Pill, Profit, Text } from "../ui/bits";
import { FileButtons, type TableFile } from "../ui/file_buttons";
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
        const wanted = route.values.with === undefined ? guessOther(strategies, id) : route.values.with;
        const other = others.find((entry) => entry.id === wanted)?.id;
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

/** The run that somebody most probably wants to compare with: the only other one, or the only one of the other kind and the same name. */
function guessOther(strategies: apiTypes.StrategyEntry[], id: string): string | undefined {
  const own = strategies.find((entry) => entry.id === id);
  const others = strategies.filter((entry) => entry.id !== id && !entry.problem);
  const same = others.filter((entry) => entry.name === own?.name && entry.kind !== own?.kind);
  return (others.length === 1 ? others : same.length === 1 ? same : [])[0]?.id;
}

/** The tables of a comparison as files. */
function nameCompared(id: string, other: string, at: string | undefined, table: string): TableFile {
  return { path: under(id, `/views/comparison/${table}/file`), query: { other, at }, name: `${id}-${other}-${table}` };
}

function Comparison({ id, at, version, other }: PageProps & { other: string }) {
  const answer = useAnswer<apiTypes.ComparisonView>(makeURL(under(id, "/views/comparison"), { other, at }), version);
  return (
    <Show answer={answer} height={500}>
      {(data) => (
        <>
          {data.mismatch && <p class="banner">{visible(data.mismatch)}</p>}
          <Verdict data={data} />
          <Card title="Growth">
            <Growth data={data} />
          </Card>
          <Card title="Why the equity differs, B less A" tools={<FileButtons file={nameCompared(id, other, at, "causes")} what="causes" />}>
            <Causes data={data} />
          </Card>
          <Card title="Figures" tools={<FileButtons file={nameCompared(id, other, at, "figures")} what="figures of both" />}>
            <Figures data={data} />
          </Card>
          <Card title="Trades that differ">
            <p class="faint">{plural(data.equal_trades, "trade is the same", "trades are the same")} in both.</p>
            <Table table={toTable(data.differing)} label="trades that differ" prefix="d" nothing="All trades are the same." height={480} file={nameCompared(id, other, at, "trades")} />
          </Card>
        </>
      )}
    </Show>
  );
}

/** Whether one run follows the other, in a sentence. */
function Verdict({ data }: { data: apiTypes.ComparisonView }) {
  const total = data.causes.reduce((sum, cause) => sum + cause.usd, 0);
  const differing = data.differing.columns[0]?.values.length ?? 0;
  const isSame = data.causes.length === 0 && differing === 0;
  return (
    <p class="verdict" role="status">
      <Pill level={isSame ? "good" : "doubt"}>{isSame ? "the same" : "they differ"}</Pill> The equity of B is{" "}
      {data.causes.length === 0 ? "that of A, to the cent" : `${formatUsd(Math.abs(total))} USD ${total < 0 ? "less" : "more"} than that of A`};{" "}
      {plural(data.equal_trades, "trade is the same", "trades are the same")}, {differing === 0 ? "none differs" : plural(differing, "differs", "differ")}.
    </p>
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
      <table class="compared">
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
