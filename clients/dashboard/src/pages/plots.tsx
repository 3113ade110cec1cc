/** What the strategy itself has plotted, on the price with its trades and in rows below. Zooming in shows every point. */
import { useMemo } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { useTable } from "../data/use_table";
import { formatCount, formatPrice, plural, visible } from "../format";
import { setValues } from "../route";
import { Card } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { readRange, writeRange } from "../ui/range";
import { Empty, Show } from "../ui/states";
import { Table } from "../ui/table";
import { getColour, isVisible, useTheme } from "../ui/theme";
import { type ChartLine, type ChartMark, type Range, TimeChart } from "../ui/time_chart";
import type { PageProps } from "./strategy";

/** A range is shown with all its points up to this number for each line. */
const MOST_POINTS = 20_000;

export function PlotsPage({ route, id, at, version }: PageProps) {
  const range = readRange(route.values);
  const zoom = range ? { start: Math.max(0, Math.floor(range.from)), end: Math.ceil(range.to), points: MOST_POINTS } : {};
  const answer = useAnswer<apiTypes.PlotsView>(makeURL(under(id, "/views/plots"), { at, pair: route.values.pair, ...zoom }), version);
  const messages = useTable(id, "messages", at, version);
  return (
    <>
      <Show answer={answer} height={500}>
        {(data) => (
          <Card title="Plots of the strategy" tools={<PlotTools data={data} id={id} at={at} />}>
            {data.rows.every((row) => row.lines.length === 0) ? (
              <Empty>
                The strategy has plotted nothing. <code>input.visualisation.plot_indicator(...)</code> in <code>decide_trades</code> does.
              </Empty>
            ) : (
              <Rows data={data} range={range} />
            )}
          </Card>
        )}
      </Show>
      <Card title="Messages of the strategy">
        <Show answer={messages}>
          {(table) => <Table table={table} label="messages" prefix="m" nothing="The strategy has recorded no message." height={320} file={nameTable(id, "messages", at)} />}
        </Show>
      </Card>
    </>
  );
}

function PlotTools({ data, id, at }: { data: apiTypes.PlotsView; id: string; at: string | undefined }) {
  return (
    <>
      {data.pairs.length > 1 && (
        <label>
          Pair{" "}
          <select value={data.pair ?? ""} onChange={(event) => setValues({ pair: event.currentTarget.value })}>
            {data.pairs.map((ticker) => (
              <option key={ticker} value={ticker}>
                {visible(ticker)}
              </option>
            ))}
          </select>
        </label>
      )}
      <FileButtons file={nameTable(id, "plots", at)} what="all points" />
    </>
  );
}

function Rows({ data, range }: { data: apiTypes.PlotsView; range: Range | undefined }) {
  const whole = range ?? (data.start === null || data.end === null ? undefined : { from: data.start, to: data.end });
  const lines = data.rows.flatMap((row) => row.lines);
  const recorded = lines.reduce((sum, line) => sum + line.points, 0);
  const shown = lines.reduce((sum, line) => sum + line.times.length, 0);
  const trades = data.rows.find((row) => row.is_price);
  return (
    <>
      <div class="switch">
        <span class="faint" role="status">
          {shown >= recorded ? `${plural(recorded, "point")}, all drawn` : `${formatCount(shown)} of ${plural(recorded, "point")} drawn, highs and lows kept; drag to zoom in`}
          {trades && trades.trades > trades.marks.length && `; zoom in to see the ${plural(trades.trades, "trade")}`}
        </span>
        {range && (
          <button type="button" onClick={() => writeRange(undefined)}>
            Whole time
          </button>
        )}
      </div>
      {data.rows
        .filter((row) => row.lines.length > 0)
        .map((row) => (
          <Row key={row.title} row={row} range={whole} />
        ))}
    </>
  );
}

/** Colours of lines for which the strategy has chosen none. */
const COLOURS = ["main", "gain", "faint", "loss", "other"];

function Row({ row, range }: { row: apiTypes.PlotRow; range: Range | undefined }) {
  const theme = useTheme();
  const lines = useMemo(() => row.lines.map(makeLine), [row, theme]);
  const marks = useMemo(() => row.marks.map(makeMark), [row, theme]);
  return (
    <TimeChart
      title={visible(row.title)}
      label={`Chart of ${row.lines.map((line) => visible(line.name)).join(", ")}${row.marks.length ? ` with ${plural(row.marks.length, "trade")}` : ""}.`}
      lines={lines}
      marks={marks}
      format={formatPrice}
      height={row.is_price ? 360 : 180}
      range={range}
      onRange={writeRange}
      group="plots"
    />
  );
}

function makeLine(line: apiTypes.PlotLine, at: number): ChartLine {
  const chosen = line.colour !== null && isVisible(line.colour) ? line.colour : getColour(COLOURS[at % COLOURS.length]!);
  return {
    name: visible(line.name),
    times: line.times,
    values: line.values,
    colour: chosen,
    isStep: line.shape === "steps",
    isPoints: line.shape === "markers",
  };
}

function makeMark({ at, price, side, text }: apiTypes.PositionMark): ChartMark {
  return { at, value: price, shape: side === "buy" ? "up" : "down", colour: getColour(side === "buy" ? "gain" : "loss"), text: visible(text) };
}
