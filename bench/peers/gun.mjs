/**
 * One site with GUN, `gun.mjs FOLDER PORT`: a graph whose nodes both sites hold, in files by its own radix store, with
 * websockets between the sites. Applications are in this process, as they are with a library, and values are texts.
 */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pipelined } from "../publisher.mjs";
import { keyOf, keysOfWrites, numberOfValue, valuesOfWrites } from "../plan.mjs";
import { reportSeen, serve } from "./host.mjs";

const NAME = "bench";
/** More than other writers have: it acknowledges late, many writes at once. */
const IN_FLIGHT = 4_096;
/** Now and then it never acknowledges a write, which it has taken all the same; what B holds is compared in the end. */
const ACKNOWLEDGED_WITHIN_MS = 10_000;

const [folder = "", port = ""] = process.argv.slice(2);
// It greets on stdout.
console.log = () => undefined;
// What an import would give is without server and store.
const Gun = createRequire(import.meta.url)("gun");
const web = createServer();
await new Promise((resolve) => web.listen(Number(port), "127.0.0.1", () => resolve(undefined)));
const gun = Gun({ web, file: `${folder}/radata`, localStorage: false, multicast: false, axe: false, stats: false });
const bucket = gun.get(NAME);
/** What an application here knows. @type {Map<string, string>} */
const visible = new Map();
let changes = 0;
let onSeen = (/** @type {number} */ _number) => {};
/** @type {readonly (readonly [string, string])[]} */
let writes = [];

/** It asks its peers, and connects to them, only when something is asked of it. */
function subscribe() {
  bucket.map().on((/** @type {unknown} */ text, /** @type {string} */ key) => {
    if (typeof text !== "string" || visible.get(key) === text) return;
    visible.set(key, text);
    changes++;
    onSeen(numberOfValue(Buffer.from(text, "base64")));
  });
}

serve({
  prepare(load) {
    const valueOf = valuesOfWrites(load);
    writes = Array.from(keysOfWrites(load), (key, write) => [keyOf(key), valueOf(write).toString("base64")]);
    subscribe();
  },
  write: () => pipelined(writes.length, IN_FLIGHT, (write, done) => put(.../** @type {[string, string]} */ (writes[write]), done)),
  progress: () => ({ lastRevision: changes, messages: visible.size }),
  contents: () => new Map([...visible].map(([key, text]) => [key, Buffer.from(text, "base64")])),
  put: ({ key, value }) =>
    new Promise((resolve, reject) => put(key, Buffer.from(value).toString("base64"), (failure) => (failure ? reject(failure) : resolve(undefined)))),
  watch: () => void (onSeen = reportSeen),
  connect: ({ url }) =>
    new Promise((resolve) => {
      gun.on("hi", () => resolve(undefined));
      gun.opt({ peers: [`${url}/gun`] });
      subscribe();
    }),
});

/**
 * @param {string} key
 * @param {string} text
 * @param {(failure: Error | null) => void} done
 */
function put(key, text, done) {
  let answered = false;
  const answer = (/** @type {{ err?: unknown }} */ { err }) => {
    // Every peer that stores it answers; the first one is the disk of this one.
    if (answered) return;
    answered = true;
    clearTimeout(late);
    done(err ? new Error(String(err)) : null);
  };
  const late = setTimeout(answer, ACKNOWLEDGED_WITHIN_MS, {});
  bucket.get(key).put(text, answer);
}
