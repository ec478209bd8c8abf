/** The level of the log belongs to the config: it changes with one that is applied, and not with one that is refused (I10). */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { type GatewayProcess, startGatewayProcess } from "../support/gateway-process.js";
import { freePorts } from "../support/nats-process.js";

describe("the level of a running gateway's log", () => {
  let folder = "";
  let [port, otherPort]: readonly (number | undefined)[] = [];
  let gateway: GatewayProcess;

  const yaml = (level: string, httpPort: number | undefined) => `version: 1
sites:
  site-a: { servers: ["nats://127.0.0.1:1"] }
  site-b: { servers: ["nats://127.0.0.1:1"] }
buckets: {}
http: { listen: "127.0.0.1:${httpPort}" }
log: { level: ${level} }
`;
  const save = (text: string) => writeFile(join(folder, "gateway.yaml"), text);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvgw-log-level-"));
    [port, otherPort] = await freePorts(2);
    await save(yaml("info", port));
    gateway = startGatewayProcess({ configFile: join(folder, "gateway.yaml"), site: "site-a", httpPort: port ?? 0 });
    await eventually(() => gateway.log().includes("config applied"), { what: "the first config is applied" });
  });
  afterEach(async () => {
    await gateway.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  it("stays where it is when the config that changes it is refused", async () => {
    await save(yaml("error", otherPort));
    expect(await gateway.post("/api/v1/reload")).toMatchObject({ body: { result: "rejected" } });
    await gateway.stop();
    expect(gateway.log()).toContain("gateway stopping");
  });

  it("is taken up with the config that is applied", async () => {
    await save(yaml("error", port));
    await gateway.post("/api/v1/reload");
    expect((await gateway.status()).config.lastError).toBeNull();
    await gateway.stop();
    expect(gateway.log()).not.toContain("gateway stopping");
  });
});
