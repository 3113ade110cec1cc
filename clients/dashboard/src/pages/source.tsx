/** The program of the strategy. */
import { askText, makeURL } from "../data/api";
import { useAnswer } from "../data/use_answer";
import { saveText } from "../ui/save_file";
import { Card } from "../ui/bits";
import { Empty, Show } from "../ui/states";
import type { PageProps } from "./strategy";

export function SourcePage({ id }: PageProps) {
  const answer = useAnswer<string>(makeURL(`/strategies/${encodeURIComponent(id)}/source`), "", askText);
  const text = answer.data ?? "";
  return (
    <Card
      title="Source"
      tools={
        text && (
          <button type="button" onClick={() => saveText(text, `${id}.py`, "text/x-python")}>
            Save
          </button>
        )
      }
    >
      <Show answer={answer}>
        {(source) =>
          source ? (
            <pre class="source" tabIndex={0} aria-label="Program of the strategy">
              {source.split("\n").map((line, number) => (
                <span key={number} class="code-line">
                  {line}
                  {"\n"}
                </span>
              ))}
            </pre>
          ) : (
            <Empty>
              The program is not served. <code>tradeexecutor webapi STATE --strategy {id}=my_strategy.py</code> shows it here.
            </Empty>
          )
        }
      </Show>
    </Card>
  );
}
