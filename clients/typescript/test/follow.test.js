import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower, followState, InvalidState, RequestFailed, ResyncFailed } from "../dist/index.js";

/** A server whose save N has the document {n: N}. */
const save = (n) => ({ id: `c${n}`, revision: n, saved_at: 1000 + n });
const event = (type, data) => ({ type, data: JSON.stringify(data), id: data.id ?? "" });
const snapshot = (n) => event("snapshot", { ...save(n), document: { n } });
const patch = (n, before = n - 1) =>
  event("patch", { ...save(n), before: `c${before}`, patch: [{ op: "replace", path: "/n", value: n }] });
const heartbeat = (n) => ({ type: "heartbeat", data: JSON.stringify({ id: n === null ? null : `c${n}` }), id: "" });
const frame = ({ type, data, id }) => `event: ${type}\n${id && `id: ${id}\n`}data: ${data}\n\n`;

/** A `fetch` that answers with one list of pieces after the other, and keeps the ids that it was asked with. */
function serve(...connections) {
  const asked = [];
  const fetch = async (url, { headers, signal }) => {
    asked.push(headers["last-event-id"]);
    const pieces = connections.shift();
    if (pieces instanceof Response) {
      return pieces;
    }
    if (pieces === undefined) {
      throw new TypeError("fetch failed");
    }
    const body = new ReadableStream({
      async pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) {
          controller.close();
        } else if (piece === "silence") {
          await new Promise((resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        } else {
          controller.enqueue(new TextEncoder().encode(piece));
        }
      },
    });
    return new Response(body);
  };
  return { fetch, asked };
}

async function take(count, iterator) {
  const documents = [];
  for await (const { document } of iterator) {
    documents.push(document.n);
    if (documents.length === count) {
      break;
    }
  }
  return documents;
}

test("a snapshot, and then patches", () => {
  const follower = new Follower();
  assert.equal(follower.apply(snapshot(5)), "changed");
  const before = follower.save;
  assert.equal(follower.apply(patch(6)), "changed");
  assert.deepEqual(follower.save, { ...save(6), document: { n: 6 } });
  assert.deepEqual(before.document, { n: 5 });
  assert.equal(follower.apply(patch(6)), "same");
  assert.equal(follower.apply(event("news", { a: 1 })), "same");
});

test("a patch of another save, or that does not fit, is a gap", () => {
  const notices = [];
  const follower = new Follower((notice) => notices.push(notice));
  assert.equal(follower.apply(patch(6)), "gap");
  follower.apply(snapshot(5));
  assert.equal(follower.apply(patch(7)), "gap");
  assert.equal(follower.save, undefined);
  follower.reset({ ...save(5), document: { other: 1 } });
  assert.equal(follower.apply(patch(6)), "gap");
  assert.deepEqual(
    notices.map(({ kind, reason, have, before }) => [kind, reason, have, before]),
    [
      ["gap", "before", undefined, "c5"],
      ["gap", "before", "c5", "c6"],
      ["gap", "patch", "c5", "c5"],
    ],
  );
});

test("a heartbeat of another save is a gap", () => {
  const notices = [];
  const follower = new Follower((notice) => notices.push(notice));
  assert.equal(follower.apply(heartbeat(null)), "same");
  follower.apply(snapshot(5));
  assert.equal(follower.apply(heartbeat(5)), "same");
  assert.equal(follower.apply(heartbeat(null)), "same");
  assert.equal(follower.save.id, "c5");
  assert.equal(follower.apply(heartbeat(6)), "gap");
  assert.equal(follower.save, undefined);
  assert.equal(follower.apply(heartbeat(6)), "gap", "the snapshot was lost");
  assert.deepEqual(notices, [
    { kind: "gap", reason: "heartbeat", have: "c5", got: "c6" },
    { kind: "gap", reason: "heartbeat", have: undefined, got: "c6" },
  ]);
});

test("problems of the server are told", () => {
  const notices = [];
  new Follower((notice) => notices.push(notice)).apply(event("error", { status: 503, detail: "damaged" }));
  assert.deepEqual(notices, [{ kind: "problem", status: 503, detail: "damaged" }]);
});

test("nonsense is an error with its place", () => {
  const follower = new Follower();
  assert.throws(() => follower.apply({ type: "snapshot", data: "{", id: "" }), InvalidState);
  assert.throws(
    () => follower.apply(event("patch", { ...save(1), before: "c0", patch: [{ op: "move", path: "/a", from: "/b" }] })),
    (error) => error instanceof InvalidState && error.issues[0].path[0] === "patch",
  );
});

test("a lost connection continues after the last event", async () => {
  const { fetch, asked } = serve([frame(snapshot(1)), frame(patch(2))], undefined, [frame(heartbeat(2)), frame(patch(3))]);
  assert.deepEqual(await take(3, followState("http://x/changes", { fetch, minDelay: 1 })), [1, 2, 3]);
  assert.deepEqual(asked, [undefined, "c2", "c2"], "the second connection failed");
});

test("a server that is away is asked again, ever later", async () => {
  const away = new Response("later", { status: 503 });
  const { fetch } = serve([frame(snapshot(1))], away, [frame(patch(2))]);
  const delays = [];
  const onNotice = ({ kind, delay }) => kind === "disconnected" && delays.push(delay);
  assert.deepEqual(await take(2, followState("http://x/changes", { fetch, minDelay: 2, onNotice })), [1, 2]);
  assert.deepEqual(delays, [2, 4]);
});

test("a gap begins again with a snapshot", async () => {
  const { fetch, asked } = serve([frame(snapshot(1)), frame(patch(3))], [frame(snapshot(4)), frame(patch(5))]);
  assert.deepEqual(await take(3, followState("http://x/changes", { fetch, minDelay: 1 })), [1, 4, 5]);
  assert.deepEqual(asked, [undefined, undefined]);
});

test("a lost last patch is noticed by the heartbeat", async () => {
  const { fetch, asked } = serve([frame(snapshot(1)), frame(patch(2)), frame(heartbeat(2)), frame(heartbeat(3))], [frame(snapshot(3))]);
  assert.deepEqual(await take(3, followState("http://x/changes", { fetch, minDelay: 1 })), [1, 2, 3]);
  assert.deepEqual(asked, [undefined, undefined], "it begins again with a snapshot");
});

test("a heartbeat does not change where a lost connection continues", async () => {
  const { fetch, asked } = serve([frame(snapshot(1)), frame(heartbeat(1))], [frame(patch(2))]);
  assert.deepEqual(await take(2, followState("http://x/changes", { fetch, minDelay: 1 })), [1, 2]);
  assert.deepEqual(asked, [undefined, "c1"]);
});

test("gaps without end are an error", async () => {
  const { fetch } = serve(...Array.from({ length: 9 }, () => [frame(snapshot(1)), frame(patch(3))]));
  await assert.rejects(take(99, followState("http://x/changes", { fetch, minDelay: 1 })), ResyncFailed);
});

test("heartbeats keep a connection, silence ends it", async () => {
  const { fetch, asked } = serve([frame(snapshot(1)), "silence"], [frame(patch(2))]);
  const notices = [];
  const onNotice = (notice) => notices.push(notice);
  const options = { fetch, minDelay: 1, idleTimeout: 30, onNotice };
  assert.deepEqual(await take(2, followState("http://x/changes", options)), [1, 2]);
  assert.deepEqual(asked, [undefined, "c1"]);
  assert.match(notices[0].reason, /nothing was received for 30 ms/);
});

test("what is refused for good is an error", async () => {
  const { fetch } = serve(new Response("no", { status: 401 }));
  await assert.rejects(take(1, followState("http://x/changes", { fetch })), RequestFailed);
});

test("a signal ends it, also while it waits", async () => {
  const leaving = new AbortController();
  const { fetch } = serve([frame(snapshot(1))]);
  setTimeout(() => leaving.abort(), 20);
  assert.deepEqual(await take(9, followState("http://x/changes", { fetch, signal: leaving.signal })), [1]);
});

test("a known save is where it continues", async () => {
  const { fetch, asked } = serve([frame(patch(8))]);
  const from = { ...save(7), document: { n: 7 } };
  assert.deepEqual(await take(1, followState("http://x/changes", { fetch, from })), [8]);
  assert.deepEqual(asked, ["c7"]);
});
