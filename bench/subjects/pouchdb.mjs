/** PouchDB, the best known of what merges both ways in JavaScript. */
import { peer } from "./peer.mjs";

export const pouchdb = peer({
  name: "pouchdb",
  differs:
    "both ways, two processes, a document database over HTTP with the history of each document; LevelDB does not wait for " +
    "the disk, only the newest of several writes to a key may cross, and the writer is in the process of A (1,000 documents a request)",
});
