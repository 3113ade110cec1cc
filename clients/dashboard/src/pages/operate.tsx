/** Commands of an operator: what each would change is shown first, and what was done is recorded in the state. */
import { useState } from "preact/hooks";

import { type apiTypes, command, describeError, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatPrice, visible } from "../format";
import { linkTo } from "../route";
import { Card, Pill, Text, Time } from "../ui/bits";
import { PatchTable } from "../ui/patch_table";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Empty, Show } from "../ui/states";
import type { PageProps } from "./strategy";

const COMMANDS = [
  { name: "pause", title: "Pause decisions", text: "The strategy makes no decisions; stop losses and the like still work." },
  { name: "resume", title: "Resume decisions", text: "The strategy decides again, from its next cycle on." },
  { name: "close-position", title: "Close a position", text: "A running strategy sells it in its market. Otherwise the position has to be empty, or is written off." },
  { name: "retry", title: "Retry failed trades", text: "A running strategy tries its failed trades again in its market." },
] as const;

const BY = "tradeexecutor-operator";
const TOKEN = "tradeexecutor-operate-token";

export function OperatePage(props: PageProps) {
  const { route, id, version, summary, at } = props;
  const actions = useAnswer<apiTypes.ActionList>(makeURL(under(id, "/views/actions"), { at }), version);
  const chosen = COMMANDS.find((item) => item.name === route.item) ?? COMMANDS[summary.is_paused ? 1 : 0];
  return (
    <div class="sidebar-page">
      <nav class="sidebar" aria-label="Commands">
        <ul>
          {COMMANDS.map((item) => (
            <li key={item.name}>
              <a href={linkTo(route, "operate", item.name)} {...(item === chosen ? { "aria-current": "page" as const } : {})}>
                {item.title}
              </a>
            </li>
          ))}
          <li>
            <a href={linkTo(route, "checks")}>Run a check</a>
          </li>
        </ul>
      </nav>
      <div class="stack">
        <Card title={chosen.title}>
          <p class="faint">{chosen.text}</p>
          {at ? <Empty>An earlier save is looked at; commands are given to the newest.</Empty> : <CommandForm key={chosen.name} {...props} name={chosen.name} />}
        </Card>
        <Card title="What operators did" tools={<FileButtons file={nameTable(id, "actions", at)} what="what operators did" />}>
          <Show answer={actions}>{(known) => <Actions actions={known.actions} />}</Show>
        </Card>
      </div>
    </div>
  );
}

type Answered = { answer: apiTypes.CommandAnswer; request: apiTypes.CommandRequest } | undefined;

/** Asks who gives a command and why, shows what it would do, and carries it out when that is confirmed. */
export function CommandForm({ route, id, name }: PageProps & { name: string }) {
  const [by, setBy] = useState(localStorage.getItem(BY) ?? "");
  const [reason, setReason] = useState("");
  const [token, setToken] = useState(sessionStorage.getItem(TOKEN) ?? "");
  const [position, setPosition] = useState(route.values.position ?? "");
  const [trade, setTrade] = useState(route.values.trade ?? "");
  const [data, setData] = useState("");
  const [isWriteOff, setWriteOff] = useState(false);
  const [answered, setAnswered] = useState<Answered>(undefined);
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);
  const send = async (request: apiTypes.CommandRequest) => {
    setBusy(true);
    setProblem("");
    try {
      setAnswered({ answer: await command(id, name, request, token), request });
    } catch (error) {
      setAnswered(undefined);
      setProblem(describeError(error).text);
    }
    setBusy(false);
  };
  const preview = (event: Event) => {
    event.preventDefault();
    localStorage.setItem(BY, by);
    sessionStorage.setItem(TOKEN, token);
    const closing = name === "close-position" ? { position_id: Number(position), write_off: isWriteOff } : {};
    const retrying = name === "retry" && trade !== "" ? { trade_ids: [Number(trade)] } : {};
    const simulating = data !== "" ? { data: [data] } : {};
    void send({ by, reason, ...closing, ...retrying, ...simulating } as apiTypes.CommandRequest);
  };
  const change = <T,>(set: (value: T) => void) => (value: T) => {
    set(value);
    setAnswered(undefined); // a preview is only of what it was made for
  };
  return (
    <>
      <form class="stack" onSubmit={preview}>
        <label>
          Your name, for the record
          <input required maxLength={100} value={by} onInput={(event) => change(setBy)(event.currentTarget.value)} />
        </label>
        <label>
          Reason, for the record
          <input maxLength={1000} value={reason} onInput={(event) => change(setReason)(event.currentTarget.value)} />
        </label>
        {name === "close-position" && (
          <>
            <label>
              Number of the position
              <input required inputMode="numeric" pattern="[0-9]+" value={position} onInput={(event) => change(setPosition)(event.currentTarget.value)} />
            </label>
            <label class="check">
              <input type="checkbox" checked={isWriteOff} onChange={(event) => change(setWriteOff)(event.currentTarget.checked)} /> Write off what it holds
            </label>
          </>
        )}
        {name === "retry" && (
          <label>
            Number of the trade; empty for all that have failed
            <input inputMode="numeric" pattern="[0-9]*" value={trade} onInput={(event) => change(setTrade)(event.currentTarget.value)} />
          </label>
        )}
        {(name === "retry" || name === "close-position") && (
          <label>
            Data set at whose prices a simulation trades; empty for a running strategy
            <input maxLength={100} placeholder="e.g. btc-usd-monthly" value={data} onInput={(event) => change(setData)(event.currentTarget.value.trim())} />
          </label>
        )}
        <label>
          Token for commands
          <input required type="password" autocomplete="off" value={token} onInput={(event) => change(setToken)(event.currentTarget.value)} />
        </label>
        <div>
          <button type="submit" disabled={isBusy}>
            Show what it would do
          </button>
        </div>
      </form>
      {problem && (
        <p class="problem" role="alert">
          {visible(problem)}
        </p>
      )}
      {answered && <Outcome answered={answered} isBusy={isBusy} onConfirm={send} />}
    </>
  );
}

function Outcome({ answered, isBusy, onConfirm }: { answered: NonNullable<Answered>; isBusy: boolean; onConfirm: (request: apiTypes.CommandRequest) => void }) {
  const { answer, request } = answered;
  return (
    <section aria-live="polite" class="stack">
      <h3>
        {answer.is_done ? <Pill level="good">done</Pill> : <Pill level="doubt">preview</Pill>}{" "}
        {answer.is_done ? "This was done, and recorded in the state." : "Nothing has changed yet."}
      </h3>
      {answer.trades.length > 0 && <CommandTrades trades={answer.trades} />}
      {answer.note && <p>{visible(answer.note)}</p>}
      {answer.left_alone.map((item) => (
        <p key={item.trade_id} class="faint">
          Trade #{item.trade_id} is left alone: {visible(item.reason)}
        </p>
      ))}
      {(answer.patch.length > 0 || answer.trades.length === 0) && <PatchTable patch={answer.patch as unknown as apiTypes.Operation[]} />}
      {answer.confirm !== null && (
        <div>
          <button type="button" class="danger" disabled={isBusy} onClick={() => onConfirm({ ...request, confirm: answer.confirm })}>
            Do it
          </button>
        </div>
      )}
    </section>
  );
}

function CommandTrades({ trades }: { trades: apiTypes.CommandTrade[] }) {
  return (
    <div class="rows" tabIndex={0} role="region" aria-label="Trades of the command">
      <table>
        <thead>
          <tr>
            <th scope="col">Position</th>
            <th scope="col">Pair</th>
            <th scope="col" class="quantity">
              Quantity
            </th>
            <th scope="col" class="price">
              Price, USD
            </th>
            <th scope="col">Status</th>
            <th scope="col">Why it failed</th>
          </tr>
        </thead>
        <tbody>
          {trades.map((trade) => (
            <tr key={`${trade.position_id} ${trade.trade_id}`}>
              <td>#{trade.position_id}</td>
              <td>
                <Text>{trade.ticker}</Text>
              </td>
              <td class="quantity">{trade.quantity}</td>
              <td class="price">{formatPrice(trade.price)}</td>
              <td>{trade.status}</td>
              <td class="wide">{visible(trade.failure)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Actions({ actions }: { actions: apiTypes.ActionView[] }) {
  if (actions.length === 0) {
    return <Empty>No command of an operator is recorded.</Empty>;
  }
  return (
    <ul class="attention">
      {actions.map((action) => (
        <li key={`${action.at} ${action.action}`}>
          <div class="line">
            <strong>{visible(action.action)}</strong> <Text>{action.by}</Text>
            <span class="faint">
              <Time at={action.at} /> UTC
            </span>
          </div>
          {action.details && <p>{visible(action.details)}</p>}
        </li>
      ))}
    </ul>
  );
}
