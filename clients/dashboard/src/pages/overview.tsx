/** All strategies: value, return, drawdown, state of the process, and what needs attention. */
import { useEffect, useState } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatPercent, formatUsd, plural, visible } from "../format";
import { formatRoute } from "../route";
import { Age, Gain, Pill, Spark, Text } from "../ui/bits";
import { ProcessPill } from "../ui/process_pill";
import { Empty, Problem, Show } from "../ui/states";

/** Time between two looks for new saves of any strategy, milliseconds. */
const PAUSE = 3_000;

/** A number that counts up while the page is seen. */
function useTicks(pause: number): number {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setTick((number) => number + 1), pause);
    return () => clearInterval(timer);
  }, [pause]);
  return tick;
}

export function Overview() {
  const tick = useTicks(PAUSE);
  const list = useAnswer<apiTypes.StrategyList>(makeURL("/v1/strategies"), tick);
  useEffect(() => {
    document.title = "Strategies · tradeexecutor";
  }, []);
  return (
    <>
      <h1>Strategies</h1>
      <Show answer={list}>
        {({ strategies }) =>
          strategies.length === 0 ? (
            <Empty>There is no state in the folders that are served. A new file is shown as soon as it is there.</Empty>
          ) : (
            <ul class="strategies">
              {strategies.map((entry) => (
                <li key={entry.id}>{entry.problem ? <Broken entry={entry} /> : <StrategyCard entry={entry} tick={tick} />}</li>
              ))}
            </ul>
          )
        }
      </Show>
    </>
  );
}

function Broken({ entry }: { entry: apiTypes.StrategyEntry }) {
  return (
    <article class="card strategy bad">
      <header>
        <h2>
          <Text>{entry.id}</Text>
        </h2>
        <Pill level="bad">cannot be read</Pill>
      </header>
      <p role="alert">{visible(entry.problem)}</p>
    </article>
  );
}

function StrategyCard({ entry, tick }: { entry: apiTypes.StrategyEntry; tick: number }) {
  const summary = useAnswer<apiTypes.SummaryView>(makeURL(under(entry.id, "/views/summary")), entry.key);
  const process = useAnswer<apiTypes.ProcessView>(makeURL(under(entry.id, "/views/process")), tick);
  return (
    <article class="card strategy">
      <header>
        <h2>
          <a href={formatRoute({ id: entry.id })}>
            <Text>{entry.name || entry.id}</Text>
          </a>
        </h2>
        {process.data && <ProcessPill process={process.data} isPaused={summary.data?.is_paused ?? false} />}
      </header>
      <Show answer={summary} height={132}>
        {(data) => <StrategyFigures data={data} />}
      </Show>
      <footer class="faint">
        <Text>{entry.id}</Text>
        <span>
          saved <Age at={entry.saved_at} />
        </span>
      </footer>
      {process.error !== undefined && process.data === undefined && <Problem error={process.error} />}
    </article>
  );
}

function StrategyFigures({ data }: { data: apiTypes.SummaryView }) {
  return (
    <>
      <div class="figures">
        <dl class="big">
          <dt>Value</dt>
          <dd class="number">
            {formatUsd(data.value)} <small>USD</small>
          </dd>
        </dl>
        <Spark values={data.growth} label={`Growth since the start: ${formatPercent(data.total_return)}`} />
      </div>
      <dl class="pairs">
        <div>
          <dt>Return</dt>
          <dd>
            <Gain value={data.total_return} />
          </dd>
        </div>
        <div>
          <dt>Max drawdown</dt>
          <dd class="number">{formatPercent(data.max_drawdown)}</dd>
        </div>
        <div>
          <dt>Drawdown now</dt>
          <dd class="number">{formatPercent(data.drawdown)}</dd>
        </div>
      </dl>
      <p class="strip">
        <span>{plural(data.open_positions, "open position")}</span>
        {data.frozen_positions > 0 && <Pill level="bad">{plural(data.frozen_positions, "frozen position")}</Pill>}
        {data.issues > 0 ? (
          <a href={formatRoute({ id: data.id, page: "attention" })}>
            <Pill level={data.blocking_issues > 0 ? "bad" : "doubt"}>{plural(data.issues, "issue")} to look at</Pill>
          </a>
        ) : (
          <span class="faint">no open issue</span>
        )}
        <a href={formatRoute({ id: data.id, page: "history", values: { since: "yesterday" } })}>since yesterday</a>
      </p>
    </>
  );
}
