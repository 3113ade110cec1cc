import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import {
  ConnectionFailed,
  fetchJSON,
  fetchState,
  InvalidState,
  parseState,
  parseStateText,
  RequestFailed,
  TradeTypeValues,
} from "../dist/index.js";

const asset = { chain_id: 1, address: "0x01", token_symbol: "USDC", decimals: 6 };
const reserve = { asset, quantity: "0.30000000000000000001", last_sync_at: 1, reserve_token_price: 1, last_pricing_at: 1 };
const minimal = () => ({ schema_version: 1, portfolio: { reserves: { "1-0x01": structuredClone(reserve) } } });

/** Run a function with the URL of a server that answers in a given way. */
async function withServer(answer, run) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await run(`http://127.0.0.1:${server.address().port}/state`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("missing keys of old files get what a missing key means", () => {
  const state = parseState(minimal());
  assert.equal(state.cycle, 1);
  assert.deepEqual(state.portfolio.open_positions, {});
  assert.deepEqual(state.sync.treasury.balance_update_refs, []);
  assert.equal(state.portfolio.reserves["1-0x01"].initial_deposit, null);
});

test("amounts stay text to the last digit", () => {
  const state = parseStateText(JSON.stringify(minimal()));
  assert.equal(state.portfolio.reserves["1-0x01"].quantity, "0.30000000000000000001");
});

test("keys and enum values of newer programs are kept", () => {
  const tree = minimal();
  tree.new_key = { a: [1] };
  tree.portfolio.reserves["1-0x01"].asset.type = "new_type";
  const state = parseState(tree);
  assert.deepEqual(state.new_key, { a: [1] });
  assert.equal(state.portfolio.reserves["1-0x01"].asset.type, "new_type");
  assert.ok(TradeTypeValues.includes("rebalance"));
});

test("one value of the wrong kind is an error with its path", () => {
  const tree = minimal();
  tree.portfolio.reserves["1-0x01"].quantity = 0.3;
  assert.throws(
    () => parseState(tree),
    (error) => {
      assert.ok(error instanceof InvalidState);
      assert.deepEqual(error.issues.map((issue) => issue.path), [["portfolio", "reserves", "1-0x01", "quantity"]]);
      return /portfolio\.reserves\.1-0x01\.quantity/.test(error.message);
    },
  );
});

test("text that is no JSON is an invalid state", () => {
  assert.throws(() => parseStateText("{"), InvalidState);
});

test("a state is fetched", () =>
  withServer(
    (request, response) => response.end(JSON.stringify({ ...minimal(), name: request.headers.authorization })),
    async (url) => {
      const state = await fetchState(url, { headers: { authorization: "Bearer x" } });
      assert.equal(state.name, "Bearer x");
    },
  ));

test("an error of the server has its status and its text", () =>
  withServer(
    (request, response) => response.writeHead(503).end("starting"),
    (url) =>
      assert.rejects(fetchJSON(url), (error) => {
        assert.ok(error instanceof RequestFailed);
        assert.deepEqual([error.status, error.body, error.isTemporary], [503, "starting", true]);
        return true;
      }),
  ));

test("a problem of the server has its reason and what to do", () =>
  withServer(
    (request, response) =>
      response.writeHead(409).end(JSON.stringify({ status: 409, detail: "position #1 holds 2 ETH", remedy: "Set write_off." })),
    (url) =>
      assert.rejects(fetchJSON(url), (error) => {
        assert.deepEqual([error.detail, error.remedy], ["position #1 holds 2 ETH", "Set write_off."]);
        assert.equal(error.message, `${url}: HTTP 409 position #1 holds 2 ETH Set write_off.`);
        return !error.isTemporary;
      }),
  ));

for (const body of ["starting", "null", "[1]", '{"detail": 7, "remedy": null}'])
  test(`an error without a known problem has only its text: ${body}`, () => {
    const error = new RequestFailed("http://x", 500, body);
    assert.deepEqual([error.detail, error.remedy, error.body], [undefined, undefined, body]);
    assert.equal(error.message, `http://x: HTTP 500 ${body}`);
  });

test("a server that does not answer in time is a failed connection", () =>
  withServer(
    () => {},
    (url) =>
      assert.rejects(fetchState(url, { timeout: 50 }), (error) => {
        assert.ok(error instanceof ConnectionFailed);
        return /no answer within 50 ms/.test(error.message);
      }),
  ));

test("a server that is not there is a failed connection", () =>
  assert.rejects(fetchState("http://127.0.0.1:1/state"), ConnectionFailed));
