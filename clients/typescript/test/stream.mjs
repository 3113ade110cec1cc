// Follows the stream of a server, loses connections at random and each twelfth patch, and prints each save as a line of
// JSON until one has the name "The end": `node stream.mjs URL SEED`
import { followState } from "../dist/index.js";

const [url, seed] = process.argv.slice(2);
const headers = { authorization: process.env.AUTHORIZATION ?? "" };

/** The numbers of a linear congruential generator, from 0 to 1. */
let state = Number(seed);
const dice = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;

let connections = 0;
let patches = 0;
let lost = 0;
const gaps = { before: 0, patch: 0, heartbeat: 0 };

const isWholePatch = (text) => /^event: patch\n[^]*\n\n$/.test(text);

/** A `fetch` whose connections break after a few pieces, in the middle of a line as likely as not. */
async function fetchBadly(url, options) {
  connections++;
  if (dice() < 0.1) {
    throw new TypeError("no route to host");
  }
  const response = await fetch(url, options);
  let left = Math.floor(dice() * 12);
  const breaking = new TransformStream({
    transform(piece, controller) {
      if (left-- > 0) {
        const isLost = isWholePatch(new TextDecoder().decode(piece)) && ++patches % 12 === 0;
        lost += Number(isLost);
        controller.enqueue(isLost ? new TextEncoder().encode(": lost\n\n") : piece);
      } else {
        controller.enqueue(piece.slice(0, Math.floor(dice() * piece.length)));
        controller.error(new TypeError("terminated"));
      }
    },
  });
  return new Response(response.body.pipeThrough(breaking), { status: response.status });
}

const onNotice = (notice) => {
  if (notice.kind === "gap") {
    gaps[notice.reason]++;
  }
};
let saves = 0;
for await (const save of followState(url, { fetch: fetchBadly, headers, minDelay: 5, maxDelay: 50, onNotice })) {
  saves++;
  console.log(JSON.stringify(save));
  if (save.document.name === "The end") {
    break;
  }
}
console.error(JSON.stringify({ connections, lost, saves, gaps }));
