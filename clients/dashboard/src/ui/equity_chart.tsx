/**
 * Value with deposits marked, or growth, each beside buy and hold; drawdown below. A shorter range is asked for in full.
 *
 * Buy and hold in the view of the value begins with the capital of the strategy, and gets the same deposits and
 * redemptions at the same times.
 */
import { useMemo } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatAxisUsd, formatPercent, formatSignedUsd, formatUsd, plural } from "../format";
import type { PageProps } from "../pages/strategy";
import { setValues } from "../route";
import { readRange, writeRange } from "./range";
import { Empty, Show } from "./states";
import { getColour, useTheme } from "./theme";
import { type ChartLine, type ChartMark, type Range, TimeChart } from "./time_chart";

export function EquityChart({ route, id, version, at }: PageProps) {
  const range = readRange(route.values);
  const query = { at, ...(range ? { start: Math.max(0, Math.floor(range.from)), end: Math.ceil(range.to) } : {}) };
  const answer = useAnswer<apiTypes.EquityView>(makeURL(under(id, "/views/equity"), query), version);
  return (
    <Show answer={answer} height={480}>
      {(data) =>
        data.value.times.length === 0 ? (
          <Empty>No value of the portfolio is recorded yet.</Empty>
        ) : (
          <Charts data={data} range={range} isGrowth={route.values.show === "growth"} />
        )
      }
    </Show>
  );
}

function Charts({ data, range, isGrowth }: { data: apiTypes.EquityView; range: Range | undefined; isGrowth: boolean }) {
  const theme = useTheme();
  const lines = useMemo(() => (isGrowth ? makeGrowth(data) : makeValue(data)), [data, theme, isGrowth]);
  const drawdown = useMemo(() => makeDrawdown(data), [data, theme]);
  const marks = useMemo(() => makeMarks(data), [data, theme]);
  const times = data.value.times;
  const whole = range ?? { from: times[0]!, to: times[times.length - 1]! };
  const shared = { range: whole, group: "equity", onRange: writeRange };
  const last = data.value.values[data.value.values.length - 1];
  return (
    <>
      <div class="switch" role="group" aria-label="What the chart shows">
        <button type="button" aria-pressed={!isGrowth} onClick={() => setValues({ show: "" })}>
          Value
        </button>
        <button type="button" aria-pressed={isGrowth} onClick={() => setValues({ show: "growth" })}>
          Growth
        </button>
        <span class="faint">
          {plural(data.samples, "sample")}
          {data.flows.length > 0 && `, ${plural(data.flows.length, "deposit or redemption", "deposits and redemptions")} marked`}
          {data.benchmark_value && !isGrowth && "; buy and hold has the same capital and deposits"}
        </span>
        {range && (
          <button type="button" onClick={() => writeRange(undefined)}>
            Whole time
          </button>
        )}
      </div>
      <TimeChart
        {...shared}
        title={isGrowth ? "Growth" : "Value, USD"}
        label={`Chart of the ${isGrowth ? "growth" : "value"} over time; the last value is ${formatUsd(last)} USD.`}
        lines={lines}
        marks={isGrowth ? [] : marks}
        format={isGrowth ? (value) => formatPercent(value, 1) : formatAxisUsd}
        height={300}
      />
      <TimeChart
        {...shared}
        title="Drawdown"
        label="Chart of the drawdown over time: how far the growth is below its highest point."
        lines={drawdown}
        format={(value) => formatPercent(value, 1)}
        height={150}
      />
    </>
  );
}

function makeValue(data: apiTypes.EquityView): ChartLine[] {
  const colour = getColour("main");
  const lines: ChartLine[] = [{ name: "Value", times: data.value.times, values: data.value.values, colour, fill: getColour("main-fill") }];
  return data.benchmark_value ? [...lines, makeBenchmark(data.benchmark_value)] : lines;
}

function makeBenchmark({ name, times, values }: apiTypes.Curve): ChartLine {
  return { name, times, values, colour: getColour("other"), isDashed: true };
}

function makeGrowth(data: apiTypes.EquityView): ChartLine[] {
  const lines: ChartLine[] = [{ name: "Strategy", times: data.growth.times, values: data.growth.values, colour: getColour("main") }];
  return data.benchmark ? [...lines, makeBenchmark(data.benchmark)] : lines;
}

function makeDrawdown(data: apiTypes.EquityView): ChartLine[] {
  const { times, values } = data.drawdown;
  return [{ name: "Drawdown", times, values, colour: getColour("loss"), fill: getColour("loss-fill"), isStep: false }];
}

function makeMarks(data: apiTypes.EquityView): ChartMark[] {
  return data.flows.map(({ at, usd }) => ({
    at,
    shape: usd > 0 ? "up" : "down",
    colour: getColour(usd > 0 ? "gain" : "loss"),
    text: `${usd > 0 ? "Deposit" : "Redemption"} ${formatSignedUsd(usd)} USD`,
  }));
}
