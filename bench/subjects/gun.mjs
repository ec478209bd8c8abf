/** GUN, which like the product merges by the clock of the last writer. */
import { peer } from "./peer.mjs";

export const gun = peer({
  name: "gun",
  differs:
    "both ways, two processes, a graph that each keeps in memory and writes to files later: values are often visible at B before " +
    "A acknowledges them; no log, and the writer is in the process of A, with 4,096 in flight",
});
