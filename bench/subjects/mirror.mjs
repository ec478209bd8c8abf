/** What NATS itself offers: the bucket's stream at B is a mirror of the one at A, over a leaf node with two domains. */
import { RetentionPolicy, StorageType } from "@nats-io/jetstream";
import { DOMAINS } from "../servers.mjs";
import { BUCKET_STREAM, openSites } from "../sites.mjs";
import { until } from "../wait.mjs";

const READY_WITHIN_MS = 30_000;
const NEVER_SEEN = -1;

/** @type {import("./subject.mjs").Subject} */
export const mirror = {
  name: "mirror",
  differs: "one way, inside the servers, over a leaf node: B is read-only and nothing is ever decided",
  missing: () => null,
  openSites: (stage, { binary }) => openSites(stage, { binary, leaf: true, bucketAtB: false }),
  async prepare(stage, { b }) {
    return {
      async start() {
        await b.manager.streams.add({
          name: BUCKET_STREAM,
          mirror: { name: BUCKET_STREAM, external: { api: `$JS.${DOMAINS.a}.API`, deliver: "" } },
          retention: RetentionPolicy.Limits,
          storage: StorageType.File,
          max_msgs_per_subject: 1,
          allow_direct: true,
          mirror_direct: true,
        });
        const connected = async () => {
          const active = (await b.manager.streams.info(BUCKET_STREAM)).mirror?.active ?? NEVER_SEEN;
          return active !== NEVER_SEEN;
        };
        const options = { what: "the mirror is connected to A", withinMs: READY_WITHIN_MS, signal: stage.signal };
        return { untilReady: () => until(connected, options) };
      },
    };
  },
};
