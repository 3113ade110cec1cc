/** The checks of a state: what `validate`, `check-trades` and `audit` say, and the record that somebody looked. */
import { type apiTypes, makeURL, under } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { visible } from "../format";
import { Card, Command, Pill } from "../ui/bits";
import { FileButtons, nameTable } from "../ui/file_buttons";
import { Empty, Show } from "../ui/states";
import { CommandForm } from "./operate";
import type { PageProps } from "./strategy";

const TITLES: Record<string, string> = {
  validate: "Is the file intact?",
  "check-trades": "Is every trade settled?",
  audit: "Do the books balance?",
};

const MOST = 200;

export function ChecksPage(props: PageProps) {
  const { id, at, version } = props;
  const answer = useAnswer<apiTypes.ChecksView>(makeURL(under(id, "/views/checks"), { at }), version);
  return (
    <>
      <Show answer={answer} height={400}>
        {(data) => (
          <>
            <div class="line">
              <h2>Checks</h2>
              <Pill level={data.passed ? "good" : "bad"}>{data.passed ? "all passed" : "look at what failed"}</Pill>
              <span class="tools">
                <FileButtons file={nameTable(id, "checks", at)} what="the checks" />
              </span>
            </div>
            {data.runs.map((run) => (
              <Run key={run.name} run={run} />
            ))}
          </>
        )}
      </Show>
      {!at && (
        <Card title="Record this check">
          <p class="faint">Writes into the state who checked it, when and why, and the outcome.</p>
          <CommandForm {...props} name="check" />
        </Card>
      )}
    </>
  );
}

function Run({ run }: { run: apiTypes.CheckRunView }) {
  return (
    <Card
      title={TITLES[run.name] ?? run.name}
      tools={
        <>
          <Pill level={run.passed ? "good" : "bad"}>{run.passed ? "passed" : "failed"}</Pill>
          <span class="faint">{visible(run.summary)}</span>
        </>
      }
    >
      {run.results.length === 0 ? (
        <Empty>Nothing was found.</Empty>
      ) : (
        <ul class="attention results">
          {run.results.slice(0, MOST).map((item, at) => (
            <li key={`${item.name} ${at}`}>
              <div class="line">
                <Pill level={item.passed ? "good" : "bad"}>{item.passed ? "good" : "bad"}</Pill>
                <strong>{visible(item.name)}</strong>
              </div>
              <p>{visible(item.detail)}</p>
            </li>
          ))}
        </ul>
      )}
      {run.results.length > MOST && <p class="faint">The other {run.results.length - MOST} are in the file.</p>}
      <Command text={run.command} />
    </Card>
  );
}
