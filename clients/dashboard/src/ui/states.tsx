/** What is shown while there is nothing to show: loading, nothing, an error. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

import { describeError, setToken } from "../data/api";
import type { Answer } from "../data/use_answer";
import { visible } from "../format";

export function Loading({ height = 120 }: { height?: number }) {
  return (
    <div class="loading" style={{ minHeight: `${height}px` }} role="status">
      <span>Loading …</span>
    </div>
  );
}

/** The server has not finished: it is asked again, and nothing is wrong. */
function Computing() {
  return (
    <div class="loading" role="status">
      <span>The server is still computing this. It is asked again by itself.</span>
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

export function Problem({ error }: { error: unknown }) {
  const { text, needsToken } = describeError(error);
  return needsToken ? (
    <TokenForm />
  ) : (
    <div class="problem" role="alert">
      <strong>This cannot be shown.</strong> {visible(text)}
    </div>
  );
}

function TokenForm() {
  const [value, setValue] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    setToken(value.trim());
    location.reload();
  };
  return (
    <form class="card token" onSubmit={submit}>
      <h2>A token is needed</h2>
      <p>
        The server was started with <code>TRADEEXECUTOR_READ_TOKEN</code>. The token is kept in this tab until it is closed.
      </p>
      <label>
        Token{" "}
        <input type="password" autocomplete="current-password" value={value} onInput={(e) => setValue(e.currentTarget.value)} />
      </label>{" "}
      <button type="submit">Continue</button>
    </form>
  );
}

/** Show an answer, or why there is none; an old answer stays in view while the new one is on its way. */
export function Show<T>({ answer, height, children }: { answer: Answer<T>; height?: number; children: (data: T) => ComponentChildren }) {
  if (answer.data !== undefined) {
    return (
      <>
        {answer.error !== undefined && <Problem error={answer.error} />}
        {children(answer.data)}
      </>
    );
  }
  if (answer.error !== undefined) {
    return describeError(answer.error).isComputing ? <Computing /> : <Problem error={answer.error} />;
  }
  return <Loading {...(height === undefined ? {} : { height })} />;
}
