/** What needs attention, with the command that mends it. */
import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatCount, visible } from "../format";
import { linkTo, type Route } from "../route";
import { Card, Command, Pill, Time } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Empty, Show } from "../ui/states";
import type { PageProps } from "./strategy";

const LEVELS: Record<string, [level: string, text: string]> = {
  blocking: ["bad", "stops trading"],
  error: ["bad", "error"],
  warning: ["doubt", "warning"],
  note: ["plain", "note"],
};

const MOST = 200;

export function AttentionPage({ route, id, at, version }: PageProps) {
  const answer = useAnswer<apiTypes.Attention>(makeURL(under(id, "/views/attention"), { at }), version);
  return (
    <Card title="What needs attention" tools={<FileButtons file={nameTable(id, "attention", at)} what="what needs attention" />}>
      <Show answer={answer}>
        {({ items }) =>
          items.length === 0 ? (
            <Empty>Nothing needs attention: no trade is open or has failed, all checks of the file passed, and the ledger balances.</Empty>
          ) : (
            <>
              <AttentionList items={items.slice(0, MOST)} route={route} />
              {items.length > MOST && <p class="faint">{formatCount(items.length - MOST)} more are not shown.</p>}
            </>
          )
        }
      </Show>
    </Card>
  );
}

export function AttentionList({ items, route }: { items: apiTypes.AttentionItem[]; route: Route }) {
  return (
    <ul class="attention">
      {items.map((item) => (
        <AttentionEntry key={`${item.kind} ${item.subject} ${item.at} ${item.text}`} item={item} route={route} />
      ))}
    </ul>
  );
}

function AttentionEntry({ item, route }: { item: apiTypes.AttentionItem; route: Route }) {
  const [level, text] = LEVELS[item.level] ?? ["plain", String(item.level)];
  const subject = <bdi>{visible(item.subject)}</bdi>;
  return (
    <li>
      <div class="line">
        <Pill level={level}>{text}</Pill>
        <strong>{item.kind}</strong>
        {item.position_id === null ? subject : <a href={linkTo(route, "position", String(item.position_id))}>{subject}</a>}
        {item.at !== null && (
          <span class="faint">
            since <Time at={item.at} /> UTC
          </span>
        )}
      </div>
      <p>
        {visible(item.text)}
        {item.advice && <> – {visible(item.advice)}.</>}
      </p>
      {item.command && <Command text={item.command} />}
      {item.kind === "failed" && item.trade_id !== null && !route.values.at && (
        <p>
          <a href={linkTo(route, "operate", "retry", { trade: String(item.trade_id) })}>Try trade #{item.trade_id} again from here …</a>
        </p>
      )}
    </li>
  );
}
