/** The state of the process that runs a strategy, in a word. */
import type { apiTypes } from "@tradeexecutor/client";

import { formatSpan } from "../format";
import { Pill } from "./bits";

const WORDS: Record<string, [level: string, text: string, title: string]> = {
  running: ["good", "running", "This server runs the strategy."],
  crashed: ["bad", "crashed", "The strategy has ended with an error."],
  seen: ["plain", "live", "Another process saved it within a day; whether it runs now is not known."],
  old: ["doubt", "no news", "A live strategy that has not saved anything for more than a day."],
  backtest: ["plain", "backtest", "A result; nothing runs."],
};

export function ProcessPill({ process, isPaused }: { process: apiTypes.ProcessView; isPaused: boolean }) {
  const [level, text, title] = WORDS[process.state] ?? ["plain", String(process.state), ""];
  const since = process.saved_at === null ? "" : ` Saved ${formatSpan(Date.now() / 1000 - process.saved_at)} ago.`;
  return (
    <span class="pills">
      {isPaused && (
        <Pill level="doubt" title="An operator has paused it: it makes no decisions; stop losses still work.">
          paused
        </Pill>
      )}
      {process.gas_warning && (
        <Pill level="doubt" title={process.gas_warning}>
          low on gas
        </Pill>
      )}
      <Pill level={level} title={`${title}${since}`}>
        {text}
      </Pill>
    </span>
  );
}
