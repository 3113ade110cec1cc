import assert from "node:assert/strict";
import { test } from "node:test";

import { EventParser } from "../dist/index.js";

const TEXT =
  "\uFEFF: welcome\nretry: 2000\n\nevent: snapshot\nid: 7-ab\ndata: {\"a\":1}\n\n: heartbeat\n\n" +
  "data: first\r\ndata:second\r\n\r\nevent: patch\rid: 8\rdata\r\revent: nothing\n\nid: 9\n\ndata: é😀\n\n";
const EVENTS = [
  { type: "snapshot", data: '{"a":1}', id: "7-ab" },
  { type: "message", data: "first\nsecond", id: "7-ab" },
  { type: "patch", data: "", id: "8" },
  { type: "message", data: "é😀", id: "9" },
];

test("comments, empty events and all line breaks", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push(TEXT), EVENTS);
  assert.equal(parser.retry, 2000);
});

test("pieces of any length give the same events", () => {
  for (const size of [1, 2, 3, 5, 7, 11]) {
    const parser = new EventParser();
    const events = [];
    for (let start = 0; start < TEXT.length; start += size) {
      events.push(...parser.push(TEXT.slice(start, start + size)));
    }
    assert.deepEqual(events, EVENTS, `pieces of ${size}`);
  }
});

test("what is not complete is no event", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("data: x\n"), []);
  assert.deepEqual(parser.push("\n"), [{ type: "message", data: "x", id: "" }]);
});

test("ids with a null and retries that are no number are ignored", () => {
  const parser = new EventParser();
  assert.deepEqual(parser.push("id: a\nretry: soon\nid: b\0\ndata: x\n\n"), [{ type: "message", data: "x", id: "a" }]);
  assert.equal(parser.retry, undefined);
});
