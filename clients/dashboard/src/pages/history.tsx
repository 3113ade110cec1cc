/** Time travel: the saves that are kept, what changed between two, and every page as it was. */
import { useState } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatCount, formatTime, formatUsd, plural, visible } from "../format";
import { linkTo, setValues } from "../route";
import { Card, Time } from "../ui/bits";
import { DayPicker } from "../ui/day_picker";
import { FileButtons, type TableFile } from "../ui/file_buttons";
import { PatchTable } from "../ui/patch_table";
import { Empty, Show } from "../ui/states";
import type { PageProps } from "./strategy";

const MOST_SAVES = 1_000;
const DAY = 86_400;

/** The save of a day before the newest, or the oldest that is kept. */
function findYesterday(saves: apiTypes.SaveEntry[]): apiTypes.SaveEntry {
  const newest = saves[saves.length - 1]!;
  return saves.findLast((save) => save.saved_at !== null && save.saved_at <= (newest.saved_at ?? 0) - DAY) ?? saves[0]!;
}

export function HistoryPage(props: PageProps) {
  const { id, version } = props;
  const answer = useAnswer<apiTypes.History>(makeURL(under(id, "/history"), { limit: MOST_SAVES }), version);
  return (
    <Show answer={answer}>
      {({ saves, total }) =>
        saves.length < 2 ? (
          <Card title="History">
            <Empty>
              Only the newest save is kept. A file keeps backups of a running strategy; a database keeps every save:{" "}
              <code>tradeexecutor store convert STATE sqlite:///trading.db#name</code>
            </Empty>
          </Card>
        ) : (
          <Travel {...props} saves={saves} total={total} />
        )
      }
    </Show>
  );
}

function Travel({ route, id, saves, total }: PageProps & { saves: apiTypes.SaveEntry[]; total: number }) {
  const wanted = Number(route.values.save);
  const found = saves.findIndex((save) => save.revision === wanted);
  const index = found < 0 ? saves.length - 1 : found;
  const [dragged, setDragged] = useState<number | undefined>(undefined);
  const shown = dragged ?? index;
  const save = saves[shown]!;
  const baseWanted = Number(route.values.base);
  const base = saves.find((item) => item.revision === baseWanted) ?? (route.values.since === "yesterday" ? findYesterday(saves) : saves[index - 1]);
  const chosen = saves[index]!;
  const before = Math.min(base?.revision ?? chosen.revision, chosen.revision);
  const after = Math.max(base?.revision ?? chosen.revision, chosen.revision);
  const newest = saves[saves.length - 1]!;
  const choose = (at: number) => setValues({ save: String(saves[at]!.revision), base: "", since: "" });
  return (
    <>
      <Card title="History">
        <p>
          Save <strong>{formatCount(save.revision)}</strong> of <Time at={save.saved_at} seconds /> UTC
          {save.is_newest && ", the newest"}. {save.summary && <span class="faint">{visible(save.summary)}</span>}
        </p>
        <div class="slider">
          <button type="button" disabled={index === 0} onClick={() => choose(index - 1)} aria-label="Earlier save">
            ◀
          </button>
          <input
            type="range"
            min={0}
            max={saves.length - 1}
            value={shown}
            aria-label="Save"
            aria-valuetext={`save ${save.revision}, ${formatTime(save.saved_at)}`}
            onInput={(event) => setDragged(Number(event.currentTarget.value))}
            onChange={(event) => {
              setDragged(undefined);
              choose(Number(event.currentTarget.value));
            }}
          />
          <button type="button" disabled={index === saves.length - 1} onClick={() => choose(index + 1)} aria-label="Later save">
            ▶
          </button>
        </div>
        <p class="faint">
          {plural(saves.length, "save")} from <Time at={saves[0]!.saved_at} /> to <Time at={saves[saves.length - 1]!.saved_at} /> UTC
          {total > saves.length && ` (the newest of ${formatCount(total)})`}
        </p>
        <p class="line">
          <a class="button" href={linkTo({ ...route, values: {} }, "", "", chosen.is_newest ? {} : { at: String(chosen.revision) })}>
            Look at everything as it was in save {formatCount(chosen.revision)}
          </a>
          <button type="button" onClick={() => setValues({ save: String(newest.revision), base: String(findYesterday(saves).revision), since: "" })}>
            What changed since yesterday
          </button>
          <DayPicker route={route} />
        </p>
      </Card>
      {base && base.revision !== chosen.revision && (
        <Card
          title={`What changed from save ${formatCount(base.revision)} to ${formatCount(chosen.revision)}`}
          tools={
            <>
            <label>
              Compare with{" "}
              <select value={String(base.revision)} onChange={(event) => setValues({ base: event.currentTarget.value, since: "" })}>
                {saves
                  .filter((item) => item.revision !== chosen.revision)
                  .map((item) => (
                    <option key={item.revision} value={String(item.revision)}>
                      {item.revision}: {formatTime(item.saved_at)}
                    </option>
                  ))}
              </select>
            </label>
            <FileButtons file={nameChanges(id, before, after)} what="the changes" />
            </>
          }
        >
          <InShort id={id} before={before} after={after} />
          <Difference id={id} before={before} after={after} />
        </Card>
      )}
    </>
  );
}

function nameChanges(id: string, before: number, after: number): TableFile {
  return { path: under(id, "/views/changes/file"), query: { before, after }, name: `${id}-changes-${before}-${after}` };
}

/** What an owner wants to know of the difference before the details. */
const SHORT: Array<[name: string, read: (summary: apiTypes.SummaryView) => number | null, format: (value: unknown) => string]> = [
  ["Value, USD", (summary) => summary.value, formatUsd],
  ["Profit so far, USD", (summary) => summary.profit, formatUsd],
  ["Open positions", (summary) => summary.open_positions, formatCount],
  ["Closed positions", (summary) => summary.closed_positions, formatCount],
  ["Trades", (summary) => summary.trades, formatCount],
  ["Failed trades", (summary) => summary.failed_trades, formatCount],
  ["Issues to look at", (summary) => summary.issues, formatCount],
];

function InShort({ id, before, after }: { id: string; before: number; after: number }) {
  const old = useAnswer<apiTypes.SummaryView>(makeURL(under(id, "/views/summary"), { at: before }));
  const now = useAnswer<apiTypes.SummaryView>(makeURL(under(id, "/views/summary"), { at: after }));
  const known = old.data;
  return known === undefined ? (
    <Show answer={old}>{() => null}</Show>
  ) : (
    <Show answer={now}>
      {(summary) => (
        <dl class="facts columns">
          {SHORT.map(([name, read, format]) => {
            const [from, to] = [read(known), read(summary)];
            return (
              <div key={name}>
                <dt>{name}</dt>
                <dd class="number">{from === to ? `${format(to)}, as before` : `${format(from)} → ${format(to)}`}</dd>
              </div>
            );
          })}
        </dl>
      )}
    </Show>
  );
}

function Difference({ id, before, after }: { id: string; before: number; after: number }) {
  const answer = useAnswer<apiTypes.Difference>(makeURL(under(id, "/diff"), { before, after }));
  return <Show answer={answer}>{({ patch }) => <PatchTable patch={patch} />}</Show>;
}
