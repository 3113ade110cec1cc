/** A line chart as SVG text, for a file: the same lines, marks and axes as on the screen. */
import { formatDate } from "../format";
import type { ChartLine, ChartMark } from "./time_chart";

export interface Picture {
  title: string;
  lines: ChartLine[];
  marks: ChartMark[];
  format: (value: number) => string;
  colours: { back: string; text: string; faint: string; grid: string };
  from: number;
  to: number;
}

const WIDTH = 1200;
const HEIGHT = 500;
const LEFT = 90;
const RIGHT = 20;
const TOP = 50;
const BOTTOM = 40;

export function drawSvg(picture: Picture): string {
  const { lines, marks, from, to, colours, format } = picture;
  const values = [...lines.flatMap((line) => inside(line, from, to)), ...marks.flatMap((mark) => (mark.value === undefined ? [] : [mark.value]))];
  const low = values.reduce((least, value) => Math.min(least, value), Infinity);
  const high = values.reduce((most, value) => Math.max(most, value), -Infinity);
  const space = (high - low || Math.abs(high) || 1) * 0.05;
  const x = (at: number) => LEFT + ((at - from) / (to - from || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - ((value - low + space) / (high - low + 2 * space || 1)) * (HEIGHT - TOP - BOTTOM);
  const parts = [
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="${colours.back}"/>`,
    `<text x="${LEFT}" y="28" font-size="18" fill="${colours.text}">${escape(picture.title)}</text>`,
    ...lines.map((line, at) => `<text x="${WIDTH - RIGHT - at * 200}" y="28" text-anchor="end" font-size="13" fill="${escape(line.colour)}">${escape(line.name)}</text>`),
  ];
  for (let step = 0; step <= 5; step++) {
    const value = low + ((high - low) * step) / 5;
    const at = from + ((to - from) * step) / 5;
    parts.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value).toFixed(1)}" y2="${y(value).toFixed(1)}" stroke="${colours.grid}"/>`,
      `<text x="${LEFT - 8}" y="${(y(value) + 4).toFixed(1)}" text-anchor="end" font-size="12" fill="${colours.faint}">${escape(format(value))}</text>`,
      `<text x="${x(at).toFixed(1)}" y="${HEIGHT - 14}" text-anchor="middle" font-size="12" fill="${colours.faint}">${formatDate(at)}</text>`,
    );
  }
  for (const line of lines) {
    if (line.isPoints) {
      parts.push(`<path d="${drawPoints(line, from, to, x, y)}" fill="${escape(line.colour)}"/>`);
      continue;
    }
    parts.push(`<path d="${drawPath(line, from, to, x, y)}" fill="none" stroke="${escape(line.colour)}" stroke-width="1.6"${line.isDashed ? ' stroke-dasharray="6 4"' : ""}/>`);
  }
  for (const mark of marks.filter((item) => item.at >= from && item.at <= to)) {
    const py = mark.value === undefined ? HEIGHT - BOTTOM : y(mark.value);
    const up = mark.shape === "up" ? -1 : 1;
    parts.push(
      `<path d="M${x(mark.at).toFixed(1)} ${py.toFixed(1)}l6 ${-10 * up}h-12z" fill="${mark.colour}"><title>${escape(mark.text)}</title></path>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif">${parts.join("")}</svg>`;
}

/** Turn a picture into PNG, with twice the pixels. */
export async function makePng(svg: string): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * WIDTH;
    canvas.height = 2 * HEIGHT;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture cannot be made."))), "image/png"));
  } finally {
    URL.revokeObjectURL(address);
  }
}

function drawPoints(line: ChartLine, from: number, to: number, x: (at: number) => number, y: (value: number) => number): string {
  return line.times
    .map((at, index) => [at, line.values[index]] as const)
    .filter((point): point is readonly [number, number] => typeof point[1] === "number" && point[0] >= from && point[0] <= to)
    .map(([at, value]) => `M${(x(at) - 2.5).toFixed(1)} ${y(value).toFixed(1)}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0`)
    .join("");
}

function inside(line: ChartLine, from: number, to: number): number[] {
  return line.values.filter((value, at): value is number => value !== null && line.times[at]! >= from && line.times[at]! <= to);
}

function drawPath(line: ChartLine, from: number, to: number, x: (at: number) => number, y: (value: number) => number): string {
  let path = "";
  let previous: number | undefined;
  line.times.forEach((at, index) => {
    const value = line.values[index];
    if (value === null || value === undefined || at < from || at > to) {
      previous = undefined;
      return;
    }
    if (line.isStep && previous !== undefined) {
      path += `L${x(at).toFixed(1)} ${y(previous).toFixed(1)}`;
    }
    path += `${previous === undefined ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`;
    previous = value;
  });
  return path;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
