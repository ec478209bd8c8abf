/** `kvgw run` from its first line on: signals that come early are followed as later ones are. */
import { describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { freePorts } from "../support/nats-process.js";
import { startKvgw, temporaryFolder } from "./kvgw.js";

describe("kvgw run", () => {
  it("follows SIGHUP as soon as it says that it has started", async () => {
    const folder = await temporaryFolder();
    const [nats = 0, http = 0] = await freePorts(2);
    const file = await folder.write(
      "gateway.yaml",
      `version: 1\nsites:\n  site-a: { servers: ["nats://127.0.0.1:${nats}"] }\n  site-b: { servers: ["nats://127.0.0.1:${nats}"] }\nbuckets:\n  config:\n`,
    );
    const running = startKvgw(["run", "-c", file, "--site", "site-a"], { KVGW_HTTP: `127.0.0.1:${http}` });
    try {
      let log = "";
      // Sent from the very chunk that tells it.
      running.child.stderr?.once("data", () => running.child.kill("SIGHUP")).on("data", (text: string) => (log += text));
      await eventually(() => log.includes("config unchanged"), { what: "the signal was followed" });
      running.child.kill("SIGTERM");
      expect((await running.ended).code).toBe(0);
    } finally {
      running.child.kill("SIGKILL");
      await folder.remove();
    }
  });
});
