/** The product as a subject: two real `kvgw run` processes between two separate servers, both ways as always. */
import { createGateways } from "../gateways.mjs";
import { BUCKET, openSites } from "../sites.mjs";

/** @type {import("./subject.mjs").Subject} */
export const kvgw = {
  name: "kvgw",
  differs: "both ways, two processes, with versions, compare-and-set and a durable operation log at each site",
  missing: () => null,
  openSites: (stage, { binary }) => openSites(stage, { binary, leaf: false, bucketAtB: true }),
  async prepare(stage, sites) {
    const { a, b } = await createGateways(stage, sites, [BUCKET]);
    return {
      async start() {
        for (const gateway of [a, b]) gateway.start();
        return { untilReady: () => Promise.all([a, b].map((gateway) => gateway.untilLive([BUCKET]))) };
      },
    };
  },
};
