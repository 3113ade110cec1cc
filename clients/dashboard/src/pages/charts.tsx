/** The charts of the registry and those that the strategy defines. One is shown; zooming in draws the range in full. */
import { useEffect, useState } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { visible } from "../format";
import { linkTo, setValues } from "../route";
import { Card } from "../ui/bits";
import { type Drawing, Figure } from "../ui/figure";
import { Show } from "../ui/states";
import { useTheme } from "../ui/theme";
import type { PageProps } from "./strategy";

/** Charts over time, of which a range can be drawn with all its points. */
const CAN_ZOOM = new Set(["equity", "benchmark", "drawdown", "price", "exposure", "deposits"]);

export function ChartsPage(props: PageProps) {
  const { id, version } = props;
  const list = useAnswer<apiTypes.DrawingList>(makeURL(under(id, "/views/charts")), version);
  return <Show answer={list}>{(known) => <Chosen {...props} known={known} />}</Show>;
}

function Chosen({ known, ...props }: PageProps & { known: apiTypes.DrawingList }) {
  const { route } = props;
  const entry = known.drawings.find((item) => item.name === route.item) ?? known.drawings[0];
  if (!entry) {
    return null;
  }
  const pair = entry.needs_pair ? (route.values.pair ?? known.pairs[0]) : undefined;
  return (
    <div class="sidebar-page">
      <nav class="sidebar" aria-label="Charts">
        <ul>
          {known.drawings.map((item) => (
            <li key={item.name}>
              <a href={linkTo(route, "charts", item.name)} title={item.description} {...(item === entry ? { "aria-current": "page" as const } : {})}>
                {visible(item.title)}
                {item.is_own && <small class="faint"> of the strategy</small>}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <Card
        title={visible(entry.title)}
        tools={
          entry.needs_pair && (
            <label>
              Pair{" "}
              <select value={pair} onChange={(event) => setValues({ pair: event.currentTarget.value })}>
                {known.pairs.map((ticker) => (
                  <option key={ticker}>{ticker}</option>
                ))}
              </select>
            </label>
          )
        }
      >
        <p class="faint">{visible(entry.description)}</p>
        <OneChart {...props} key={`${entry.name} ${pair}`} name={entry.name} title={entry.title} pair={pair} />
      </Card>
    </div>
  );
}

function OneChart({ id, at, version, name, title, pair }: PageProps & { name: string; title: string; pair: string | undefined }) {
  const theme = useTheme();
  const [range, setRange] = useState<{ from: number; to: number } | undefined>(undefined);
  useEffect(() => setRange(undefined), [name, pair]);
  const zoom = range && CAN_ZOOM.has(name) ? { start: Math.max(0, Math.floor(range.from)), end: Math.ceil(range.to) } : {};
  const answer = useAnswer<Drawing>(makeURL(under(id, `/views/charts/${encodeURIComponent(name)}`), { theme, pair, at, ...zoom }), version);
  const isZoomed = "start" in zoom;
  return (
    <>
      {isZoomed && (
        <p>
          Every point of the range is drawn.{" "}
          <button type="button" onClick={() => setRange(undefined)}>
            Whole time
          </button>
        </p>
      )}
      <Show answer={answer} height={450}>
        {(drawing) => <Figure drawing={drawing} title={title} onRange={setRange} />}
      </Show>
    </>
  );
}
