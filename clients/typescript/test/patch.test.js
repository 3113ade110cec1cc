import assert from "node:assert/strict";
import { test } from "node:test";

import { applyPatch, PatchFailed } from "../dist/index.js";

const before = () => ({ cash: "900.10", trades: [{ id: 1 }, { id: 2 }], "a/b": { "c~d": 1 } });

test("operations are applied in order, and the old document stays as it was", () => {
  const old = before();
  const changed = applyPatch(old, [
    { op: "test", path: "/cash", value: "900.10" },
    { op: "replace", path: "/cash", value: "850.00" },
    { op: "remove", path: "/trades/0" },
    { op: "add", path: "/trades/1", value: { id: 3 } },
    { op: "add", path: "/trades/-", value: { id: 4 } },
    { op: "add", path: "/a~1b/c~0d", value: 2 },
  ]);
  assert.deepEqual(changed, { cash: "850.00", trades: [{ id: 2 }, { id: 3 }, { id: 4 }], "a/b": { "c~d": 2 } });
  assert.deepEqual(old, before());
});

test("unchanged parts are shared", () => {
  const old = before();
  const changed = applyPatch(old, [{ op: "replace", path: "/a~1b/c~0d", value: 2 }]);
  assert.equal(changed.trades, old.trades);
  assert.notEqual(changed["a/b"], old["a/b"]);
});

test("the whole document can be replaced", () => {
  assert.deepEqual(applyPatch(before(), [{ op: "replace", path: "", value: [] }]), []);
});

test("a key of the prototype is data", () => {
  const changed = applyPatch({}, [{ op: "add", path: "/__proto__", value: { polluted: true } }]);
  assert.equal({}.polluted, undefined);
  assert.deepEqual(Object.keys(changed), ["__proto__"]);
  const again = applyPatch(changed, [{ op: "add", path: "/__proto__/more", value: 1 }]);
  assert.equal(JSON.stringify(again), '{"__proto__":{"polluted":true,"more":1}}');
  assert.throws(() => applyPatch({}, [{ op: "add", path: "/__proto__/polluted", value: true }]), PatchFailed);
  assert.throws(() => applyPatch({}, [{ op: "add", path: "/constructor/prototype/x", value: 1 }]), PatchFailed);
});

for (const [name, operation, reason] of [
  ["a key that is not there", { op: "remove", path: "/missing" }, /there is no "missing"/],
  ["an inherited key", { op: "replace", path: "/toString", value: 1 }, /there is no "toString"/],
  ["an item that is not there", { op: "replace", path: "/trades/2", value: 1 }, /there is no item 2, only 2/],
  ["a sparse array", { op: "add", path: "/trades/4", value: 1 }, /there is no item 4/],
  ["an index with a leading zero", { op: "remove", path: "/trades/00" }, /there is no item 00/],
  ["a path through a text", { op: "add", path: "/cash/x", value: 1 }, /neither an object nor an array/],
  ["a test that fails", { op: "test", path: "/trades/0", value: { id: 2 } }, /the value is another one/],
  ["an unknown operation", { op: "move", path: "/cash", from: "/trades" }, /the operation "move" is unknown/],
  ["the removal of the root", { op: "remove", path: "" }, /unknown or impossible/],
  ["a path that is no pointer", { op: "remove", path: "cash" }, /not a JSON pointer/],
]) {
  test(`${name} is refused, and nothing is applied`, () => {
    const old = before();
    assert.throws(
      () => applyPatch(old, [{ op: "replace", path: "/cash", value: "0" }, operation]),
      (error) => error instanceof PatchFailed && error.operation === 1 && reason.test(error.message),
    );
    assert.deepEqual(old, before());
  });
}
