/** One strategy: its head, its pages, and the change stream that keeps them up to date. */
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { type apiTypes, describeError, makeURL, under } from "../data/api";
import { type Live, useLive } from "../data/live";
import { useAnswer } from "../data/use_answer";
import { formatCount, visible } from "../format";
import { formatRoute, linkTo, type Route } from "../route";
import { Age, Pill, Time } from "../ui/bits";
import { ProcessPill } from "../ui/process_pill";
import { Show } from "../ui/states";
import { AttentionPage } from "./attention";
import { ChartsPage } from "./charts";
import { ChecksPage } from "./checks";
import { ComparePage } from "./compare";
import { HistoryPage } from "./history";
import { LedgerPage } from "./ledger";
import { LogsPage } from "./logs";
import { OperatePage } from "./operate";
import { PlotsPage } from "./plots";
import { PositionPage } from "./position";
import { PositionsPage } from "./positions";
import { SourcePage } from "./source";
import { StatisticsPage } from "./statistics";
import { SummaryPage } from "./summary";
import { TradesPage } from "./trades";

/** What every page of a strategy gets. */
export interface EarlyPageProps {
  route: Route;
  id: string;
  /** Key of the save that is shown; answers are asked for again when it changes. */
  version: string;
  /** The save that is looked at; undefined for the newest. */
  at: string | undefined;
  process: apiTypes.ProcessView | undefined;
}

export interface PageProps extends EarlyPageProps {
  summary: apiTypes.SummaryView;
}

type PageEntry = {
  page: string;
  title: string;
} & (
  | { component: ComponentType<PageProps> }
  /** A page that is shown already while the server is still computing the summary. */
  | { early: ComponentType<EarlyPageProps> }
);

const PAGES: PageEntry[] = [
  { page: "", title: "Summary", component: SummaryPage },
  { page: "positions", title: "Positions", early: PositionsPage },
  { page: "trades", title: "Trades", early: TradesPage },
  { page: "attention", title: "Attention", component: AttentionPage },
  { page: "statistics", title: "Statistics", component: StatisticsPage },
  { page: "charts", title: "Charts", component: ChartsPage },
  { page: "plots", title: "Plots", component: PlotsPage },
  { page: "ledger", title: "Ledger", component: LedgerPage },
  { page: "checks", title: "Checks", component: ChecksPage },
  { page: "history", title: "History", component: HistoryPage },
  { page: "compare", title: "Compare", component: ComparePage },
  { page: "operate", title: "Operate", component: OperatePage },
  { page: "logs", title: "Logs", component: LogsPage },
  { page: "source", title: "Source", component: SourcePage },
];

const POSITION: PageEntry = { page: "position", title: "Position", component: PositionPage };

export function StrategyPage({ route }: { route: Route }) {
  const { id } = route;
  const at = route.values.at || undefined;
  // The first answer tells which save is shown; the stream continues from there.
  const [first, setFirst] = useState<string | undefined>(undefined);
  const live = useLive(id, first);
  const version = at ? `at ${at}` : (live.key ?? "");
  const summary = useAnswer<apiTypes.SummaryView>(makeURL(under(id, "/views/summary"), { at }), version);
  const process = useAnswer<apiTypes.ProcessView>(makeURL(under(id, "/views/process")), live.key ?? live.status);
  useEffect(() => {
    if (first === undefined && summary.data !== undefined && !at) {
      setFirst(summary.data.key);
    }
  }, [summary.data?.key]);
  const known = [...PAGES, POSITION].find((entry) => entry.page === route.page);
  const name = summary.data?.name || id;
  useEffect(() => {
    document.title = `${visible(name)} · ${known?.title ?? "?"} · tradeexecutor`;
  }, [name, known?.title]);
  const isEarly = summary.error !== undefined && describeError(summary.error).isComputing;
  const shown = { route, id, version: at ? version : (live.key ?? summary.data?.key ?? ""), at, process: process.data };
  return (
    <>
      <StrategyHead route={route} summary={summary.data} process={process.data} live={live} />
      {at && <EarlierBanner route={route} at={at} summary={summary.data} />}
      {live.status === "lost" && (
        <p class="banner lost" role="status">
          {live.problem} It is made again by itself; what is shown is what was known before.
        </p>
      )}
      {live.problem && live.status !== "lost" && (
        <p class="banner lost" role="alert">
          {visible(live.problem)}
        </p>
      )}
      {(summary.data === undefined || summary.error !== undefined) && (
        <Show answer={summary} height={400}>
          {() => null}
        </Show>
      )}
      {(summary.data !== undefined || isEarly) && <OnePage entry={known} summary={summary.data} shown={shown} />}
    </>
  );
}

interface OnePageProps {
  entry: PageEntry | undefined;
  summary: apiTypes.SummaryView | undefined;
  shown: EarlyPageProps;
}

function OnePage({ entry, summary, shown }: OnePageProps) {
  if (entry === undefined) {
    return (
      <p class="problem">
        There is no page of this name. <a href={formatRoute({ id: shown.id })}>The summary</a> is there.
      </p>
    );
  }
  if ("early" in entry) {
    return <entry.early {...shown} />;
  }
  return summary === undefined ? null : <entry.component {...shown} summary={summary} />;
}

interface HeadProps {
  route: Route;
  summary: apiTypes.SummaryView | undefined;
  process: apiTypes.ProcessView | undefined;
  live: Live;
}

function StrategyHead({ route, summary, process, live }: HeadProps) {
  const current = route.page === "position" ? "positions" : route.page;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    // On a phone the pages do not fit side by side; the present one is brought into view.
    const link = nav.current?.querySelector<HTMLElement>("[aria-current]");
    if (link && nav.current) {
      nav.current.scrollLeft = link.offsetLeft - nav.current.offsetLeft - 40;
    }
  }, [current]);
  return (
    <div class="strategy-head">
      <div class="line">
        <h1>
          <bdi>{visible(summary?.name || route.id)}</bdi>
        </h1>
        {process && <ProcessPill process={process} isPaused={summary?.is_paused ?? false} />}
        {summary && (
          <span class="faint">
            save {formatCount(summary.revision)}, <Age at={summary.saved_at} />
          </span>
        )}
        {!route.values.at && <LivePill live={live} />}
      </div>
      <nav ref={nav} aria-label="Pages of the strategy">
        <ul>
          {PAGES.map(({ page, title }) => (
            <li key={page}>
              <a href={linkTo(route, page)} {...(page === current ? { "aria-current": "page" as const } : {})}>
                {title}
                {page === "attention" && summary && summary.issues > 0 && <b class="count">{formatCount(summary.issues)}</b>}
              </a>
            </li>
          ))}
        </ul>
      </nav>
    </div>
  );
}

function LivePill({ live }: { live: Live }) {
  const words = {
    connecting: ["plain", "connecting", "The connection is being made."],
    live: ["good", "up to date", "New saves are shown at once."],
    lost: ["bad", "connection lost", live.problem],
    refused: ["bad", "no live updates", live.problem],
  } as const;
  const [level, text, title] = words[live.status];
  return (
    <span role="status" class={`live ${live.status}`}>
      <Pill level={level} title={title}>
        {text}
      </Pill>
    </span>
  );
}

function EarlierBanner({ route, at, summary }: { route: Route; at: string; summary: apiTypes.SummaryView | undefined }) {
  const { at: _, ...values } = route.values;
  return (
    <p class="banner" role="status">
      You look at an earlier save: {visible(at)}
      {summary && (
        <>
          , saved <Time at={summary.saved_at} /> UTC
        </>
      )}
      . <a href={formatRoute({ ...route, values })}>Show the newest</a>
    </p>
  );
}
