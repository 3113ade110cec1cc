/** Small parts of pages. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";

import { formatAge, formatLocal, formatSignedPercent, formatSignedUsd, formatTime, visible } from "../format";

/** A time in UTC, with the local one on hover. */
export function Time({ at, seconds = false }: { at: number | null | undefined; seconds?: boolean }) {
  if (at === null || at === undefined) {
    return <span class="faint">–</span>;
  }
  return (
    <time dateTime={new Date(at * 1000).toISOString()} title={formatLocal(at)}>
      {formatTime(at, seconds)}
    </time>
  );
}

/** How long ago something was; counts on by itself. */
export function Age({ at }: { at: number | null | undefined }) {
  const [, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTick((tick) => tick + 1), 5_000);
    return () => clearInterval(timer);
  }, []);
  return <span title={formatLocal(at)}>{formatAge(at)}</span>;
}

export function signClass(value: unknown): string {
  return typeof value === "number" && value !== 0 ? (value > 0 ? "gain" : "loss") : "";
}

export function Gain({ value }: { value: number | null | undefined }) {
  return <span class={`number ${signClass(value)}`}>{formatSignedPercent(value)}</span>;
}

export function Profit({ value }: { value: number | null | undefined }) {
  return <span class={`number ${signClass(value)}`}>{formatSignedUsd(value)}</span>;
}

/** Text of unknown origin, in one line; all of it on hover. */
export function Text({ children, most = 60 }: { children: string | null | undefined; most?: number }) {
  const text = visible(children);
  const short = [...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text;
  return (
    <bdi class="text" {...(short === text ? {} : { title: text })}>
      {short}
    </bdi>
  );
}

export function Tile({ name, children, under, help }: { name: string; children: ComponentChildren; under?: ComponentChildren; help?: string }) {
  return (
    <div class="tile" {...(help ? { title: help } : {})}>
      <dt>{name}</dt>
      <dd class="main number">{children}</dd>
      {under !== undefined && <dd class="under">{under}</dd>}
    </div>
  );
}

export function Card({ title, id, tools, children }: { title: string; id?: string; tools?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="card" aria-label={title} {...(id ? { id } : {})}>
      <header class="card-head">
        <h2>{title}</h2>
        {tools && <div class="tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}

export function Pill({ level, children, title }: { level: string; children: ComponentChildren; title?: string }) {
  return (
    <span class={`pill ${level}`} {...(title ? { title } : {})}>
      {children}
    </span>
  );
}

/** A command to copy. */
export function Command({ text }: { text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text).then(() => setCopied(true), () => setCopied(false));
    setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <span class="command">
      <code>{visible(text)}</code>
      <button type="button" onClick={copy} aria-label={`Copy the command ${text}`}>
        {isCopied ? "Copied" : "Copy"}
      </button>
    </span>
  );
}

/** A line without axes. */
export function Spark({ values, label }: { values: number[]; label: string }) {
  if (values.length < 2) {
    return <span class="faint">too few samples</span>;
  }
  const low = Math.min(...values, 0);
  const high = Math.max(...values, 0);
  const scale = high - low || 1;
  const points = values.map((value, at) => `${((at / (values.length - 1)) * 100).toFixed(2)},${(28 - ((value - low) / scale) * 26).toFixed(2)}`);
  const zero = (28 - ((0 - low) / scale) * 26).toFixed(2);
  const last = values[values.length - 1] ?? 0;
  return (
    <svg class={`spark ${last < 0 ? "loss" : "gain"}`} viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label={label}>
      <line x1="0" x2="100" y1={zero} y2={zero} class="zero" vector-effect="non-scaling-stroke" />
      <polyline points={points.join(" ")} fill="none" vector-effect="non-scaling-stroke" />
    </svg>
  );
}
