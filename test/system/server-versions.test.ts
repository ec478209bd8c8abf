/** The core story on every server line that is supported, and between sites that run different ones. */
import { Kvm } from "@nats-io/kv";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { startNatsServer } from "../support/nats-server.js";
import { type Sites, startSites } from "../support/sites.js";

const PAIRS = [
  ["2.10", "2.10"],
  ["2.9", "2.9"],
  ["2.15", "2.9"],
] as const;

describe.each(PAIRS)("a site on nats-server %s and one on %s", (versionA, versionB) => {
  let sites: Sites | undefined;
  afterEach(() => sites?.dispose());

  it("replicate puts, deletes and purges, survive a server's death and end equal", async () => {
    const servers = [
      await startNatsServer({ name: "site-a", version: versionA }),
      await startNatsServer({ name: "site-b", version: versionB }),
    ];
    sites = await startSites({ servers, buckets: "  data: {}" });
    const [a, b] = await Promise.all(sites.all.map(({ client }) => new Kvm(client).open("data")));
    if (a === undefined || b === undefined) throw new Error("two buckets");
    for (let index = 0; index < 50; index++) {
      await a.put(`a.${index}`, `value ${index}`);
      await b.put(`b.${index}`, `value ${index}`);
    }
    await a.delete("a.0");
    await b.purge("b.0");
    expect((await sites.untilEqual("data")).size).toBe(98);
    await sites.site("site-b").server.kill();
    await a.put("theme", "dark");
    await sites.site("site-b").server.restart();
    await eventually(
      async () => expect((await sites?.untilEqual("data"))?.has("theme")).toBe(true),
      { what: "the write made meanwhile is at both sites" },
    );
  });
});
