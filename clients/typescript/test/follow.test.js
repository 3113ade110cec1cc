import assert from "node:assert/strict";
import { test } from "node:test";

import { Follower, ResyncFailed } from "../dist/index.js";

/** A server whose revision N has the document {n: N}. */
const snapshot = (revision) => ({ revision, cursor: `c${revision}`, document: { n: revision } });
const change = (revision) => ({
  revision,
  cursor: `c${revision}`,
  patch: [
    { op: "test", path: "/n", value: revision - 1 },
    { op: "replace", path: "/n", value: revision },
  ],
});

test("the first change fetches a snapshot, the following are applied", async () => {
  let fetched = 0;
  const follower = new Follower(async () => (fetched++, snapshot(5)));
  await follower.apply(change(5));
  await follower.apply(change(6));
  assert.equal(fetched, 1);
  assert.deepEqual([follower.document, follower.revision, follower.cursor], [{ n: 6 }, 6, "c6"]);
});

test("a change that was seen already is skipped", async () => {
  const follower = new Follower(() => assert.fail("no snapshot is needed"));
  follower.reset(snapshot(5));
  await follower.apply(change(4));
  await follower.apply(change(5));
  assert.deepEqual(follower.document, { n: 5 });
});

test("a missing revision is a gap, and a snapshot closes it", async () => {
  const gaps = [];
  const follower = new Follower(async () => snapshot(8), (gap) => gaps.push(gap));
  follower.reset(snapshot(5));
  await follower.apply(change(7));
  assert.deepEqual(gaps, [{ reason: "gap", have: 5, got: 7 }]);
  assert.deepEqual(follower.document, { n: 8 });
});

test("a patch that does not fit is a gap, too", async () => {
  const gaps = [];
  const follower = new Follower(async () => snapshot(6), (gap) => gaps.push(gap));
  follower.reset({ revision: 5, document: { n: "another history" } });
  await follower.apply(change(6));
  assert.deepEqual(gaps, [{ reason: "patch", have: 5, got: 6 }]);
  assert.deepEqual(follower.document, { n: 6 });
});

test("changes that arrive while a snapshot is fetched are applied after it", async () => {
  let answer;
  const follower = new Follower(() => new Promise((resolve) => (answer = resolve)));
  const all = [9, 10, 11, 12].map((revision) => follower.apply(change(revision)));
  answer(snapshot(10));
  await Promise.all(all);
  assert.deepEqual([follower.document, follower.revision], [{ n: 12 }, 12]);
});

test("an old snapshot is not enough: another one is fetched", async () => {
  const answers = [snapshot(3), snapshot(9)];
  const follower = new Follower(async () => answers.shift());
  follower.reset(snapshot(2));
  await follower.apply(change(9));
  assert.deepEqual(follower.document, { n: 9 });
  assert.deepEqual(answers, []);
});

test("snapshots that never lead on are an error, not an endless loop", async () => {
  let fetched = 0;
  const follower = new Follower(async () => (fetched++, snapshot(3)));
  await assert.rejects(follower.apply(change(9)), ResyncFailed);
  assert.equal(fetched, 3);
});

test("after a failed fetch the next change tries again", async () => {
  const answers = [() => Promise.reject(new Error("offline")), async () => snapshot(7)];
  const follower = new Follower(() => answers.shift()());
  await assert.rejects(follower.apply(change(6)), /offline/);
  await follower.apply(change(7));
  assert.deepEqual(follower.document, { n: 7 });
});

test("random losses, repetitions and restarts end with the document of the server", async () => {
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  for (let round = 0; round < 50; round++) {
    let newest = 1;
    let gaps = 0;
    let lost = 0;
    const follower = new Follower(async () => snapshot(newest), () => gaps++);
    follower.reset(snapshot(1));
    for (let step = 0; step < 40; step++) {
      newest++;
      const isLost = random(5) === 0 && step < 39;
      lost += isLost ? 1 : 0;
      if (!isLost) {
        await follower.apply(change(newest));
        if (random(4) === 0) await follower.apply(change(newest - random(3)));
        assert.equal(follower.document.n, newest);
      }
    }
    assert.equal(gaps > 0, lost > 0);
  }
});
