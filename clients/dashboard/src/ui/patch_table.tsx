/** A JSON Patch as a table: what is new, changed or gone. */
import type { apiTypes } from "@tradeexecutor/client";

import { formatCount, visible } from "../format";
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
            <th scope="col">New value</th>
          </tr>
        </thead>
        <tbody>
          {patch.slice(0, MOST).map(({ op, path, value }) => {
            const [text, level] = WORDS[op] ?? [String(op), ""];
            return (
              <tr key={`${op} ${path}`}>
                <td class={`profit left ${level}`}>{text}</td>
                <td class="wide path">{visible(path.slice(1).replaceAll("/", " › "))}</td>
                <td class="wide">
                  <bdi>{op === "remove" ? "" : describe(value)}</bdi>
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

function describe(value: unknown): string {
  const text = visible(typeof value === "string" ? value : (JSON.stringify(value) ?? ""));
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
