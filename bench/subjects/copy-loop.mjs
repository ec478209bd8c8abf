/** The copy loop as a subject: one process between two separate servers. */
import { fileURLToPath } from "node:url";
import { nextMessage } from "../load.mjs";
import { BUCKET, openSites } from "../sites.mjs";

const PROGRAM = fileURLToPath(new URL("../copy-loop.mjs", import.meta.url));
const READY_WITHIN_MS = 30_000;

/** @type {import("./subject.mjs").Subject} */
export const copyLoop = {
  name: "copy-loop",
  differs: "one way, one process, no versions, no compare-and-set, no log: about the limit of one Node process",
  missing: () => null,
  openSites: (stage, { binary }) => openSites(stage, { binary, leaf: false, bucketAtB: true }),
  async prepare(stage, { a, b }) {
    return {
      async start() {
        const child = stage.start("copy-loop", process.execPath, [PROGRAM, a.url, b.url, BUCKET], { watched: true });
        const ready = nextMessage(child, { what: "the copy loop is ready", withinMs: READY_WITHIN_MS });
        ready.catch(() => undefined);
        return { untilReady: () => ready };
      },
    };
  },
};
