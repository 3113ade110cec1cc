/** The proof of the ledger: every balance is the sum of its movements, or the first entry that is not. */
import { useState } from "preact/hooks";

import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatCount, plural, showFigure, visible } from "../format";
import { linkTo } from "../route";
import { DayPicker } from "../ui/day_picker";
import { Card, Pill, Text } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Show } from "../ui/states";
import type { PageProps } from "./strategy";

const WORDS: Record<string, [level: string, text: string]> = {
  balanced: ["good", "balanced"],
  recovered: ["plain", "balanced at the end"],
  mismatch: ["bad", "does not balance"],
  unprovable: ["doubt", "cannot be proven"],
};

const FEW = 100;

export function LedgerPage({ route, id, at, version }: PageProps) {
  const answer = useAnswer<apiTypes.LedgerView>(makeURL(under(id, "/views/ledger"), { at }), version);
  return (
    <Show answer={answer}>
      {(ledger) => (
        <Card title="Ledger" tools={<FileButtons file={nameTable(id, "ledger", at)} what="the ledger" />}>
          <p class="verdict">
            <Verdict ledger={ledger} /> {plural(ledger.lines.length, "balance")} compared with the sum of{" "}
            {plural(ledger.entries, "entry", "entries")} of the double-entry ledger.
          </p>
          <p>
            <DayPicker route={route} page="ledger" />
          </p>
          {ledger.remarks.map((remark) => (
            <p key={remark} class="faint">
              {visible(remark)}
            </p>
          ))}
          <Lines lines={ledger.lines} link={(position) => linkTo(route, "position", String(position))} />
        </Card>
      )}
    </Show>
  );
}

function Verdict({ ledger }: { ledger: apiTypes.LedgerView }) {
  if (ledger.has_mismatch) {
    return <Pill level="bad">does not balance</Pill>;
  }
  return ledger.is_balanced ? <Pill level="good">balanced</Pill> : <Pill level="doubt">not everything can be proven</Pill>;
}

function Lines({ lines, link }: { lines: apiTypes.LedgerLine[]; link: (position: number) => string }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole ? lines : lines.slice(0, FEW);
  return (
    <>
      <div class="rows" tabIndex={0} role="region" aria-label="Balances">
        <table>
          <thead>
            <tr>
              <th scope="col">Balance</th>
              <th scope="col">Verdict</th>
              <th scope="col" class="quantity">
                Recorded
              </th>
              <th scope="col" class="quantity">
                Sum of movements
              </th>
              <th scope="col" class="quantity">
                Difference
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((line) => (
              <Line key={line.name} line={line} link={link} />
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < lines.length && (
        <button type="button" onClick={() => setWhole(true)}>
          Show the other {formatCount(lines.length - shown.length)}
        </button>
      )}
    </>
  );
}

function Line({ line, link }: { line: apiTypes.LedgerLine; link: (position: number) => string }) {
  const [level, text] = WORDS[line.verdict] ?? ["plain", String(line.verdict)];
  const name = <Text>{line.name}</Text>;
  const isExplained = line.reason !== "" || line.breaks > 0;
  return (
    <>
      <tr class={isExplained ? "joined" : ""}>
        <td>{line.position_id === null ? name : <a href={link(line.position_id)}>{name}</a>}</td>
        <td>
          <Pill level={level}>{text}</Pill>
        </td>
        <td class="quantity">{line.recorded ?? "–"}</td>
        <td class="quantity">{line.derived}</td>
        <td class="quantity">{showFigure(line.difference ?? "–")}</td>
      </tr>
      {isExplained && (
        <tr>
          <td colSpan={5} class="explanation">
            <Explanation line={line} />
          </td>
        </tr>
      )}
    </>
  );
}

function Explanation({ line }: { line: apiTypes.LedgerLine }) {
  const first = line.first_entry || (line.first_break && `a value of ${line.first_break}`);
  return (
    <>
      {line.reason && <p>{visible(line.reason)}</p>}
      {first && (
        <p>
          The first that does not fit: <bdi>{visible(first)}</bdi>
        </p>
      )}
      {line.causes.map((cause) => (
        <p key={cause} class="faint">
          {visible(cause)}
        </p>
      ))}
      {line.breaks > 1 && <p class="faint">and {plural(line.breaks - 1, "more difference")}</p>}
    </>
  );
}
