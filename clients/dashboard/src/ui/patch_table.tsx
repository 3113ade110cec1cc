/** A JSON Patch as a table: what is new, changed or gone, with the values before and after. */
import type { apiTypes } from "@tradeexecutor/client";

import { formatCount, formatPrice, formatQuantity, formatTime, formatUsd, plural, visible } from "../format";
import { Empty } from "./states";

const MOST = 400;
const WORDS: Record<string, [text: string, level: string]> = {
  add: ["new", "gain-value"],
  remove: ["gone", "loss-value"],
  replace: ["changed", ""],
};

export function PatchTable({ patch }: { patch: apiTypes.Operation[] }) {
  if (patch.length === 0) {
    return <Empty>Nothing changes.</Empty>;
  }
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Changes" style={{ maxHeight: "520px" }}>
      <table>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Where</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          {patch.slice(0, MOST).map(({ op, path, value, old }) => {
            const [text, level] = WORDS[op] ?? [String(op), ""];
            return (
              <tr key={`${op} ${path}`}>
                <td class={`profit left ${level}`}>{text}</td>
                <td class="wide path">{visible(path.slice(1).replaceAll("/", " › "))}</td>
                <td class="wide">
                  <bdi>{op === "add" ? "" : describe(path, old)}</bdi>
                </td>
                <td class="wide">
                  <bdi>{op === "remove" ? "" : describe(path, value)}</bdi>
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {patch.length > MOST && <p class="faint">{formatCount(patch.length - MOST)} more changes are not shown.</p>}
    </div>
  );
}

/** Return a value for people: trades and positions in a sentence, times as times, everything else as JSON. */
function describe(path: string, value: unknown): string {
  if (typeof value === "number" && /_at$/.test(path)) {
    return `${formatTime(value, true)} UTC`;
  }
  const text = describeRecord(value) ?? (typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  const shown = visible(text);
  return shown.length > 300 ? `${shown.slice(0, 300)}…` : shown;
}

type Tree = Record<string, unknown>;

function describeRecord(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null) {
    return undefined;
  }
  const record = value as Tree;
  if ("trade_id" in record && "planned_quantity" in record) {
    const quantity = Number(record.executed_quantity ?? record.planned_quantity);
    const price = formatPrice(record.executed_price ?? record.planned_price);
    const outcome = record.executed_at ? "executed" : record.failed_at ? "failed" : "not executed yet";
    return `trade #${record.trade_id}: ${quantity < 0 ? "sell" : "buy"} ${formatQuantity(Math.abs(quantity))} ${nameToken(record.pair)} at ${price} USD, ${outcome}`;
  }
  if ("position_id" in record && "trades" in record) {
    const trades = Object.values(record.trades as Tree);
    const last = describeRecord(trades[trades.length - 1]);
    return `position #${record.position_id}: ${nameToken(record.pair)}, ${plural(trades.length, "trade")}${last ? `; ${last}` : ""}`;
  }
  if ("net_asset_value" in record && "calculated_at" in record) {
    return `sample of ${formatTime(record.calculated_at)} UTC: value ${formatUsd(record.net_asset_value ?? record.total_equity)} USD`;
  }
  return undefined;
}

function nameToken(pair: unknown): string {
  return String(((pair as Tree | undefined)?.base as Tree | undefined)?.token_symbol ?? "");
}
