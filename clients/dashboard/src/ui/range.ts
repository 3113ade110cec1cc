/** The range of time that charts show, as part of the address. */
import { setValues } from "../route";
import type { Range } from "./time_chart";

export function readRange(values: Record<string, string>): Range | undefined {
  const from = Number(values.from);
  const to = Number(values.to);
  return values.from && values.to && from < to ? { from, to } : undefined;
}

/** @param range undefined for the whole time */
export function writeRange(range: Range | undefined): void {
  setValues({ from: range ? String(Math.floor(range.from)) : "", to: range ? String(Math.ceil(range.to)) : "" });
}
