/** The proof of the ledger: every balance is the sum of its movements, or the first entry that is not. */
import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { formatCount, visible } from "../format";
import { linkTo } from "../route";
import { Card, Pill, Text } from "../ui/bits";
import { Show } from "../ui/states";
import type { PageProps } from "./strategy";

const WORDS: Record<string, [level: string, text: string]> = {
  balanced: ["good", "balanced"],
  recovered: ["plain", "balanced at the end"],
  mismatch: ["bad", "does not balance"],
  unprovable: ["doubt", "cannot be proven"],
};

const ORDER = ["mismatch", "unprovable", "recovered", "balanced"];

export function LedgerPage({ route, id, at, version }: PageProps) {
  const answer = useAnswer<apiTypes.LedgerAnswer>(makeURL(under(id, "/ledger"), { at }), version);
  return (
    <Show answer={answer}>
      {(ledger) => (
        <Card title="Ledger">
          <p class="verdict">
            <Pill level={ledger.has_mismatch ? "bad" : ledger.is_balanced ? "good" : "doubt"}>
              {ledger.has_mismatch ? "does not balance" : ledger.is_balanced ? "balanced" : "not everything can be proven"}
            </Pill>{" "}
            {formatCount(ledger.findings.length)} balances are compared with the sum of {formatCount(ledger.entries)} entries.
          </p>
          {ledger.remarks.map((remark) => (
            <p key={remark} class="faint">
              {visible(remark)}
            </p>
          ))}
          <Findings findings={ledger.findings} link={(position) => linkTo(route, "position", String(position))} />
        </Card>
      )}
    </Show>
  );
}

const MOST = 300;

function Findings({ findings, link }: { findings: apiTypes.LedgerFinding[]; link: (position: number) => string }) {
  const sorted = [...findings].sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  return (
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
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, MOST).map((finding) => {
            const [level, text] = WORDS[finding.verdict] ?? ["plain", String(finding.verdict)];
            return (
              <tr key={finding.name}>
                <td>{finding.position_id === null ? <Text>{finding.name}</Text> : <a href={link(finding.position_id)}><Text>{finding.name}</Text></a>}</td>
                <td>
                  <Pill level={level}>{text}</Pill>
                </td>
                <td class="quantity">{finding.recorded ?? "–"}</td>
                <td class="quantity">{finding.derived}</td>
                <td class="quantity">{finding.difference ?? "–"}</td>
                <td class="wide">{visible(finding.reason)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      {sorted.length > MOST && <p class="faint">{formatCount(sorted.length - MOST)} more, of the best verdict, are not shown.</p>}
    </div>
  );
}
