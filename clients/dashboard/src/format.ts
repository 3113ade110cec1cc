/** Numbers and times for people. Times are UTC; the local one is told beside. */

const NOTHING = "–";

const formats = new Map<string, Intl.NumberFormat>();

/** Return the format with so many digits after the point. Making one takes a hundred times as long as using it. */
function getFormat(least: number, most: number): Intl.NumberFormat {
  const key = `${least} ${most}`;
  let format = formats.get(key);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { minimumFractionDigits: least, maximumFractionDigits: most });
    formats.set(key, format);
  }
  return format;
}

const whole = getFormat(0, 0);
const cents = getFormat(2, 2);

function isNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** Put a true minus sign, which is as wide as a plus. */
function withMinus(text: string): string {
  return text.replace(/^-/, "−");
}

export function formatUsd(value: unknown): string {
  return isNumber(value) ? withMinus(cents.format(Object.is(Math.round(value * 100), -0) ? 0 : value)) : NOTHING;
}

/** USD without cents for large values, as axes have space for. */
export function formatAxisUsd(value: number): string {
  return Math.abs(value) >= 1_000 ? formatCount(value) : formatUsd(value);
}

export function formatSignedUsd(value: unknown): string {
  return isNumber(value) && value > 0 ? `+${formatUsd(value)}` : formatUsd(value);
}

export function formatPercent(value: unknown, digits = 2): string {
  if (!isNumber(value)) {
    return NOTHING;
  }
  const text = getFormat(digits, digits).format(value * 100);
  return `${withMinus(text.replace(/^-(0\.?0*)$/, "$1"))}\u00a0%`;
}

export function formatSignedPercent(value: unknown): string {
  return isNumber(value) && value > 0 ? `+${formatPercent(value)}` : formatPercent(value);
}

export function formatCount(value: unknown): string {
  return isNumber(value) ? withMinus(whole.format(value)) : NOTHING;
}

/** Six significant digits, never in scientific form. */
export function formatQuantity(value: unknown): string {
  if (!isNumber(value)) {
    return NOTHING;
  }
  if (value === 0) {
    return "0";
  }
  const size = Math.floor(Math.log10(Math.abs(value)));
  return withMinus(getFormat(0, Math.min(18, Math.max(0, 5 - size))).format(value));
}

export function formatPrice(value: unknown): string {
  if (!isNumber(value)) {
    return NOTHING;
  }
  return Math.abs(value) >= 1000 ? formatUsd(value) : formatQuantity(value);
}

export function formatRatio(value: unknown): string {
  return isNumber(value) ? withMinus(value.toFixed(2)) : NOTHING;
}

const pad = (value: number) => String(value).padStart(2, "0");

/** `2024-01-31 14:05`, UTC; seconds since 1970. */
export function formatTime(seconds: unknown, withSeconds = false): string {
  if (!isNumber(seconds)) {
    return NOTHING;
  }
  const when = new Date(seconds * 1000);
  const text = `${formatDate(seconds)} ${pad(when.getUTCHours())}:${pad(when.getUTCMinutes())}`;
  return withSeconds ? `${text}:${pad(when.getUTCSeconds())}` : text;
}

export function formatDate(seconds: number): string {
  const when = new Date(seconds * 1000);
  return `${when.getUTCFullYear()}-${pad(when.getUTCMonth() + 1)}-${pad(when.getUTCDate())}`;
}

/** `January 2024` of `2024-01`. */
export function formatMonth(label: string): string {
  return new Date(`${label}-01T00:00Z`).toLocaleString("en-US", { month: "long", year: "numeric", timeZone: "UTC" });
}

/** The same moment on the clock of the reader. */
export function formatLocal(seconds: unknown): string {
  if (!isNumber(seconds)) {
    return "";
  }
  const when = new Date(seconds * 1000);
  const local = when.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
  return `${formatTime(seconds, true)} UTC, ${local} here`;
}

/** Two units at most: `3 d 4 h`. */
export function formatSpan(seconds: unknown): string {
  if (!isNumber(seconds)) {
    return NOTHING;
  }
  const rest = Math.abs(seconds);
  const sign = seconds < 0 ? "−" : "";
  if (rest < 60) {
    return `${sign}${Math.round(rest)} s`;
  }
  const days = Math.floor(rest / 86_400);
  const hours = Math.floor((rest % 86_400) / 3_600);
  const minutes = Math.floor((rest % 3_600) / 60);
  if (days >= 100) {
    return `${sign}${whole.format(days)} d`;
  }
  if (days > 0) {
    return `${sign}${days} d${hours ? ` ${hours} h` : ""}`;
  }
  return hours > 0 ? `${sign}${hours} h${minutes ? ` ${minutes} min` : ""}` : `${sign}${minutes} min`;
}

export function formatAge(seconds: number | null | undefined, now = Date.now() / 1000): string {
  if (!isNumber(seconds)) {
    return "unknown";
  }
  const age = now - seconds;
  return age < 5 ? "now" : `${formatSpan(age)} ago`;
}

/**
 * Text that a person may have made hostile: control characters and those that turn the direction of the line around are
 * shown as marks.
 */
export function visible(text: string | null | undefined): string {
  return (text ?? "").replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
}

/** Text that the server has written, with a true minus sign. */
export function showFigure(text: string): string {
  return visible(text.replace(/(^|\s)-(?=[\d.])/g, "$1−"));
}

/** `1 trade`, `2 trades`. */
export function plural(count: number, what: string, many = `${what}s`): string {
  return `${formatCount(count)} ${count === 1 ? what : many}`;
}
