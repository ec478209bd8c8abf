/**
 * One site with PouchDB, `pouchdb.mjs FOLDER PORT`: a database in files, the CouchDB protocol over HTTP for the other site,
 * and a live sync, which runs at the site that was told to connect. Applications are in this process, as they are with a
 * library, and values are texts, as documents are JSON.
 */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { keyOf, keysOfWrites, numberOfValue, valuesOfWrites } from "../plan.mjs";
import { reportSeen, serve } from "./host.mjs";

const NAME = "bench";
/** Documents a request, of the load and of the sync (100 by default, which is slower). A document stands in it once. */
const BATCH = 1_000;
const SYNC = { live: true, retry: true, batch_size: BATCH, batches_limit: 10 };

const require = createRequire(import.meta.url);
const [expressPouchdb, PouchDB] = [require("express-pouchdb"), require("pouchdb")];
const [folder = "", port = ""] = process.argv.slice(2);
const Site = PouchDB.defaults({ prefix: `${folder}/` });
const database = new Site(NAME);
/** What the next write of a document has to name. @type {Map<string, string>} */
const revisions = new Map();
/** @type {{ _id: string, v: string }[]} */
let writes = [];

const handler = expressPouchdb(Site, {
  mode: "minimumForPouchDB",
  // Over loopback it would only cost CPU.
  overrideMode: { exclude: ["compression"] },
  inMemoryConfig: true,
});
await new Promise((resolve) => createServer(handler).listen(Number(port), "127.0.0.1", () => resolve(undefined)));
await database.info();

serve({
  prepare(load) {
    const valueOf = valuesOfWrites(load);
    writes = Array.from(keysOfWrites(load), (key, write) => ({ _id: keyOf(key), v: valueOf(write).toString("base64") }));
  },
  async write() {
    for (let next = 0; next < writes.length; ) {
      const batch = batchFrom(next);
      next += batch.length;
      await store(batch);
    }
    writes = [];
  },
  async progress() {
    const { update_seq: lastRevision, doc_count: messages } = await database.info();
    return { lastRevision, messages };
  },
  async contents() {
    const { rows } = await database.allDocs({ include_docs: true });
    return new Map(rows.map((/** @type {any} */ { id, doc }) => [id, Buffer.from(doc.v, "base64")]));
  },
  async put({ key, value }) {
    await store([{ _id: key, v: Buffer.from(value).toString("base64") }]);
  },
  watch() {
    const changes = database.changes({ since: "now", live: true, include_docs: true });
    changes.on("change", (/** @type {any} */ { doc }) => reportSeen(numberOfValue(Buffer.from(doc.v, "base64"))));
  },
  connect({ url }) {
    const sync = database.sync(new PouchDB(`${url}/${NAME}`, { skip_setup: true }), SYNC);
    return new Promise((resolve, reject) => sync.on("paused", () => resolve(undefined)).on("error", reject));
  },
});

/** @param {number} first */
function batchFrom(first) {
  const documents = new Map();
  for (let next = first; next < writes.length && documents.size < BATCH; next++) {
    const document = writes[next];
    if (document === undefined || documents.has(document._id)) break;
    documents.set(document._id, document);
  }
  return [...documents.values()];
}

/** @param {readonly { _id: string, v: string }[]} documents */
async function store(documents) {
  const answers = await database.bulkDocs(documents.map((document) => ({ ...document, _rev: revisions.get(document._id) })));
  for (const { id, rev, error } of answers) {
    if (error) throw new Error(`PouchDB refused ${id}: ${error}`);
    revisions.set(id, rev);
  }
}
