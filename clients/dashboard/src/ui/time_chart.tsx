/** A chart over time: lines, marks, zoom by dragging, and the values under the pointer. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { formatTime } from "../format";
import { drawSvg, makePng } from "./line_svg";
import { saveBlob, saveText } from "./save_file";
import { getColour, useTheme } from "./theme";

export interface ChartLine {
  name: string;
  times: number[];
  values: Array<number | null>;
  colour: string;
  fill?: string;
  isStep?: boolean;
  isDashed?: boolean;
  /** Points without a line between them. */
  isPoints?: boolean;
}

export interface ChartMark {
  at: number;
  /** Height on the chart; at the bottom without one. */
  value?: number;
  shape: "up" | "down";
  colour: string;
  text: string;
}

export interface Range {
  from: number;
  to: number;
}

export interface TimeChartProps {
  title: string;
  /** Said to screen readers: what the chart shows. */
  label: string;
  lines: ChartLine[];
  marks?: ChartMark[];
  format: (value: number) => string;
  height?: number;
  range?: Range | undefined;
  /** Is told a range that the reader has chosen, undefined for everything. */
  onRange?: (range: Range | undefined) => void;
  /** Charts of one group share the pointer. */
  group?: string;
}

export function TimeChart(props: TimeChartProps) {
  const { title, label, lines, height = 300 } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const theme = useTheme();
  const [note, setNote] = useState("");
  const shape = lines.map((line) => `${line.name} ${line.colour} ${line.isStep} ${line.isDashed} ${line.isPoints}`).join("|");
  useEffect(() => {
    const element = box.current!;
    const options = makeOptions(latest, element.clientWidth, height, setNote);
    const made = new uPlot(options, join(latest.current.lines), element);
    plot.current = made;
    applyRange(made, latest.current.range);
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [theme, shape, height]);
  useEffect(() => {
    if (plot.current) {
      plot.current.setData(join(lines), false);
      applyRange(plot.current, props.range);
    }
  }, [lines, props.range?.from, props.range?.to]);
  const draw = () => {
    const scale = plot.current?.scales.x;
    const colours = { back: getColour("card"), text: getColour("text"), faint: getColour("faint"), grid: getColour("grid") };
    const range = { from: scale?.min ?? 0, to: scale?.max ?? 1 };
    return drawSvg({ title, lines, marks: props.marks ?? [], format: props.format, colours, ...range });
  };
  const savePng = () => void makePng(draw()).then((blob) => saveBlob(blob, `${title}.png`));
  const saveSvg = () => saveText(draw(), `${title}.svg`, "image/svg+xml");
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        <span class="legend">
          {lines.map((line) => (
            <span key={line.name}>
              <i style={{ background: line.colour }} /> {line.name}
            </span>
          ))}
        </span>
        <span class="chart-note">{note}</span>
        <span class="tools">
          <button type="button" onClick={savePng} aria-label={`Save ${title} as PNG`}>
            PNG
          </button>
          <button type="button" onClick={saveSvg} aria-label={`Save ${title} as SVG`}>
            SVG
          </button>
        </span>
      </figcaption>
      <div ref={box} class="plot" role="img" aria-label={label} style={{ height: `${height}px` }} />
    </figure>
  );
}

function join(lines: ChartLine[]): uPlot.AlignedData {
  const tables = lines.map((line) => [line.times, line.values] as unknown as uPlot.AlignedData);
  return tables.length === 0 ? [[]] : uPlot.join(tables, tables.map(() => [2, 2]));
}

function applyRange(plot: uPlot, range: Range | undefined): void {
  const times = plot.data[0];
  const from = range?.from ?? times[0];
  const to = range?.to ?? times[times.length - 1];
  if (from !== undefined && to !== undefined) {
    plot.setScale("x", { min: from, max: Math.max(to, from + 1) });
  }
}

const DAY = 86_400;

/** Labels of the time axis by the distance of its lines, seconds: the label, and what is added where a unit changes. */
const TIME_LABELS = [
  [DAY * 360, "{YYYY}", null, null, null, null, null, null, 1],
  [DAY * 28, "{YYYY}-{MM}", null, null, null, null, null, null, 1],
  [DAY, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{MM}-{DD}", null, null, null, 1],
] as unknown as uPlot.Axis.Values;

function makeOptions(latest: { current: TimeChartProps }, width: number, height: number, setNote: (text: string) => void): uPlot.Options {
  const faint = getColour("faint");
  const grid = { stroke: getColour("grid"), width: 1 };
  const font = "12px system-ui, sans-serif";
  const { group } = latest.current;
  return {
    width,
    height,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    legend: { show: false },
    padding: [12, 12, 0, 0],
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { size: 6 },
      ...(group ? { sync: { key: group } } : {}),
    },
    scales: { x: { time: true }, y: { range: (_, low, high) => widen(low, high, latest.current.marks) } },
    axes: [
      { stroke: faint, grid, ticks: grid, font, space: 70, values: TIME_LABELS },
      { stroke: faint, grid, ticks: grid, font, size: 82, values: (_, splits) => splits.map((value) => latest.current.format(value)) },
    ],
    series: [
      {},
      ...latest.current.lines.map((line) => ({
        label: line.name,
        stroke: line.colour,
        width: 1.6,
        spanGaps: true,
        points: { show: line.isPoints === true || line.times.length < 2 },
        ...(line.isPoints ? { paths: () => null } : {}),
        ...(line.fill ? { fill: line.fill } : {}),
        ...(line.isDashed ? { dash: [6, 4] } : {}),
        ...(line.isStep && !line.isPoints ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
      })),
    ],
    hooks: {
      draw: [(plot) => drawMarks(plot, latest.current.marks ?? [])],
      setSelect: [
        (plot) => {
          if (plot.select.width > 4) {
            const from = plot.posToVal(plot.select.left, "x");
            const to = plot.posToVal(plot.select.left + plot.select.width, "x");
            latest.current.onRange?.({ from, to });
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          }
        },
      ],
      setCursor: [(plot) => setNote(describeCursor(plot, latest.current))],
      ready: [(plot) => plot.over.addEventListener("dblclick", () => latest.current.onRange?.(undefined))],
    },
  };
}

/** Leave some space, so that marks at the edges are inside. */
function widen(low: number | null, high: number | null, marks: ChartMark[] = []): [number, number] {
  const values = marks.flatMap((mark) => (mark.value === undefined ? [] : [mark.value]));
  const least = Math.min(low ?? Infinity, ...values);
  const most = Math.max(high ?? -Infinity, ...values);
  if (!Number.isFinite(least) || !Number.isFinite(most)) {
    return [0, 1];
  }
  const space = (most - least || Math.abs(most) || 1) * 0.06;
  return [least - space, most === 0 && least < 0 ? 0 : most + space];
}

function drawMarks(plot: uPlot, marks: ChartMark[]): void {
  const { ctx, bbox } = plot;
  const size = 6 * devicePixelRatio;
  const { min = null, max = null } = plot.scales.x ?? {};
  ctx.save();
  for (const mark of marks) {
    if (min === null || max === null || mark.at < min || mark.at > max) {
      continue;
    }
    const x = plot.valToPos(mark.at, "x", true);
    const isUp = mark.shape === "up";
    const y = mark.value === undefined ? bbox.top + bbox.height : plot.valToPos(mark.value, "y", true);
    const base = isUp ? y + size * 1.8 : y - size * 1.8;
    ctx.fillStyle = mark.colour;
    ctx.beginPath();
    if (mark.value === undefined) {
      ctx.moveTo(x, isUp ? y - size * 2 : y);
      ctx.lineTo(x - size, isUp ? y : y - size * 2);
      ctx.lineTo(x + size, isUp ? y : y - size * 2);
    } else {
      ctx.moveTo(x, y);
      ctx.lineTo(x - size, base);
      ctx.lineTo(x + size, base);
    }
    ctx.closePath();
    ctx.fill();
  }
  ctx.restore();
}

function describeCursor(plot: uPlot, { lines, marks = [], format }: TimeChartProps): string {
  const index = plot.cursor.idx;
  const at = index === null || index === undefined ? undefined : plot.data[0][index];
  if (at === undefined || (plot.cursor.left ?? -1) < 0) {
    return "";
  }
  const parts = lines.flatMap((line, number) => {
    const value = findLast(plot.data[number + 1], index!);
    return value === undefined ? [] : [`${lines.length > 1 ? `${line.name} ` : ""}${format(value)}`];
  });
  const near = marks.find((mark) => Math.abs(plot.valToPos(mark.at, "x") - (plot.cursor.left ?? 0)) < 6);
  return [`${formatTime(at)} UTC`, ...parts, ...(near ? [near.text] : [])].join("  ·  ");
}

function findLast(values: ArrayLike<number | null | undefined> | undefined, index: number): number | undefined {
  for (let at = index; values && at >= 0; at--) {
    const value = values[at];
    if (value !== null && value !== undefined) {
      return value;
    }
  }
  return undefined;
}
