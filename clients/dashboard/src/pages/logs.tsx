/** The latest messages of the process that runs the strategy. */
import { makeURL } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { setValues } from "../route";
import { visible } from "../format";
import { Card, Time } from "../ui/bits";
import { Empty, Show } from "../ui/states";
import type { PageProps } from "./strategy";

interface LogEntry {
  timestamp: number;
  level: string;
  message: string;
}

const LEVELS = ["info", "warning", "error"];

export function LogsPage({ route, id, version }: PageProps) {
  const answer = useAnswer<LogEntry[]>(makeURL(`/strategies/${encodeURIComponent(id)}/logs`), version);
  const least = route.values.level ?? "info";
  return (
    <Card
      title="Logs"
      tools={
        <label>
          From{" "}
          <select value={least} onChange={(event) => setValues({ level: event.currentTarget.value })}>
            {LEVELS.map((level) => (
              <option key={level}>{level}</option>
            ))}
          </select>
        </label>
      }
    >
      <Show answer={answer}>
        {(entries) => {
          const shown = entries.filter((entry) => LEVELS.indexOf(entry.level) >= LEVELS.indexOf(least) || entry.level === "critical");
          return shown.length === 0 ? (
            <Empty>{entries.length === 0 ? "This server does not run the strategy, so it has no messages of it." : "No message of this level."}</Empty>
          ) : (
            <ol class="logs" tabIndex={0} aria-label="Messages, newest first">
              {[...shown].reverse().map((entry, at) => (
                <li key={`${entry.timestamp} ${at}`} class={entry.level}>
                  <Time at={entry.timestamp} seconds /> <b>{entry.level}</b> <span>{visible(entry.message)}</span>
                </li>
              ))}
            </ol>
          );
        }}
      </Show>
    </Card>
  );
}
