/** Every example runs as its README says, and what is written at one place arrives at the others. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Kvm } from "@nats-io/kv";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { afterEach, describe, expect, it } from "vitest";
import type { BucketStatus } from "../../src/gateway/status.js";
import { eventually } from "../support/eventually.js";
import { EXAMPLES, type Example, type ExampleOptions, startExample } from "../support/example.js";
import { atProcessEnd } from "../support/process-end.js";

const ends: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function start(name: string, options: ExampleOptions): Promise<Example> {
  const example = await startExample(name, options);
  ends.push(() => example.dispose());
  return example;
}

const put = async (at: NatsConnection, bucket: string, key: string, value: string) =>
  (await new Kvm(at).open(bucket)).put(key, value);

/** The live value as text; null if there is none. */
async function valueOf(at: NatsConnection, bucket: string, key: string): Promise<string | null> {
  const entry = await (await new Kvm(at).open(bucket)).get(key);
  return entry?.operation === "PUT" ? entry.string() : null;
}

const arrives = (at: NatsConnection, bucket: string, key: string, value: string | null) =>
  eventually(async () => expect(await valueOf(at, bucket, key)).toBe(value), { what: `${key} in ${bucket} is ${value}` });

/** Writes at each of the sites, and waits for it at all others. */
async function travelsBetween(example: Example, sites: readonly string[]): Promise<void> {
  for (const site of sites) await put(example.client(site), "config", `from.${site}`, `hello from ${site}`);
  for (const from of sites) {
    for (const to of sites) await arrives(example.client(to), "config", `from.${from}`, `hello from ${from}`);
  }
}

const bucketsAt = async (example: Example, site: string) =>
  new Map(Object.entries<BucketStatus>((await example.gateway(site).status()).buckets));

const streamsOf = async (at: NatsConnection): Promise<string[]> => {
  const names: string[] = [];
  for await (const { config } of (await jetstreamManager(at)).streams.list()) names.push(config.name);
  return names.sort();
};

const TWO_SITES = { servers: ["../two-sites/site-a.conf", "../two-sites/site-b.conf"], gateways: ["site-a", "site-b"] };

describe("the examples", () => {
  it("two-sites: a write at either site arrives at the other", async () => {
    const example = await start("two-sites", TWO_SITES);
    await travelsBetween(example, ["site-a", "site-b"]);
  });

  it("many-buckets: each bucket follows its own settings, and an edit changes one of them while all run", async () => {
    const example = await start("many-buckets", TWO_SITES);
    const [here, there] = [example.client("site-a"), example.client("site-b")];
    await travelsBetween(example, ["site-a", "site-b"]);
    await put(here, "sessions", "tmp.lock", "mine");
    await put(here, "sessions", "user.7", "cart");
    await arrives(there, "sessions", "user.7", "cart");
    // It was written first, so it would have come first.
    expect(await valueOf(there, "sessions", "tmp.lock")).toBeNull();
    await put(here, "prices", "apple", "1.20");
    await arrives(there, "price-list", "apple", "1.20");

    const before = await bucketsAt(example, "site-a");
    expect(before.get("drafts")?.state).toBe("paused");
    const yaml = await readFile(example.configFile, "utf8");
    await writeFile(example.configFile, yaml.replace("paused: true", "paused: false").replace("buckets:", "buckets:\n  flags:"));
    const allLive = ["config", "drafts", "flags", "prices", "sessions"].map((name) => `${name} is live`);
    for (const site of ["site-a", "site-b"]) {
      const states = async () => [...(await bucketsAt(example, site))].map(([name, { state }]) => `${name} is ${state}`);
      await eventually(async () => expect((await states()).sort()).toEqual(allLive), { what: `all buckets run at ${site}` });
    }
    for (const bucket of ["drafts", "flags"]) {
      await put(here, bucket, "page", "one");
      await arrives(there, bucket, "page", "one");
    }
    const startedAt = before.get("config")?.startedAt;
    expect(startedAt).toBeDefined();
    expect((await bucketsAt(example, "site-a")).get("config")?.startedAt, "not edited, so it runs on").toBe(startedAt);
  });

  it("leaf-nodes: a write at any of the three sites arrives at the others, and each log stays in its own domain", async () => {
    const sites = ["hub", "leaf-1", "leaf-2"];
    const example = await start("leaf-nodes", { servers: sites.map((site) => `${site}.conf`), gateways: sites });
    await travelsBetween(example, sites);
    for (const site of sites) {
      expect(await streamsOf(example.client(site))).toEqual([`KVGW_${site}_config`, `KV_KVGW_${site}`, "KV_config"]);
    }
  });

  it("hub: a write at either spoke arrives at the other through logs that are at the hub", async () => {
    const spokes = ["spoke-1", "spoke-2"];
    const example = await start("hub", { servers: ["hub.conf", "spoke-1.conf", "spoke-2.conf"], gateways: spokes });
    await travelsBetween(example, spokes);
    expect(await streamsOf(example.client("hub"))).toEqual(["KVGW_spoke-1_config", "KVGW_spoke-2_config"]);
  });
});

interface Agent {
  write(line: string): void;
  /** What it printed for a key last: the operation that it holds to have won. */
  winner(key: string): unknown;
  end(): Promise<void>;
}

/** A process of its own, started as the example's README says, with the environment of the example. */
function startAgent(): Agent {
  const child = spawn(process.execPath, [join(EXAMPLES, "json-agent", "agent.mjs")], { stdio: ["pipe", "pipe", "inherit"] });
  const forget = atProcessEnd(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const winners = new Map<string, unknown>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    const operation = JSON.parse(line) as { key: string };
    winners.set(operation.key, operation);
  });
  return {
    write: (line) => void child.stdin.write(`${line}\n`),
    winner: (key) => winners.get(key),
    async end() {
      child.kill("SIGKILL");
      await exited;
      forget();
    },
  };
}

describe("json-agent: a program without a gateway", () => {
  async function startWithAgent() {
    const example = await start("json-agent", TWO_SITES);
    const agent = startAgent();
    ends.push(() => agent.end());
    const hears = (key: string, expected: object) =>
      eventually(() => expect(agent.winner(key)).toMatchObject({ ...expected, key }), { what: `the agent knows ${key}` });
    return { agent, hears, a: example.client("site-a"), b: example.client("site-b") };
  }

  it("is a member like the others: what it writes is in both buckets, what applications write is known to it", async () => {
    const { agent, hears, a, b } = await startWithAgent();
    agent.write("put agent.temperature 21 degrees");
    for (const site of [a, b]) await arrives(site, "config", "agent.temperature", "21 degrees");
    await put(a, "config", "theme", "dark");
    await hears("theme", { op: "put", bucket: "config", value: "dark", node_id: "site-a" });
    await put(b, "config", "theme", "light");
    await hears("theme", { value: "light", node_id: "site-b" });

    agent.write("put theme blue");
    for (const site of [a, b]) await arrives(site, "config", "theme", "blue");
    agent.write("delete theme");
    for (const site of [a, b]) await arrives(site, "config", "theme", null);
    await put(b, "config", "theme", "red");
    await hears("theme", { op: "put", value: "red", node_id: "site-b" });
    await (await new Kvm(a).open("config")).delete("agent.temperature");
    await hears("agent.temperature", { op: "delete", node_id: "site-a" });
  });

  it("learns after a restart what was written meanwhile, its own writes included", async () => {
    const { agent, a, b } = await startWithAgent();
    agent.write("put agent.mode manual");
    await arrives(b, "config", "agent.mode", "manual");
    await agent.end();
    await put(a, "config", "theme", "dark");
    const again = startAgent();
    ends.push(() => again.end());
    await eventually(
      () => {
        expect(again.winner("agent.mode")).toMatchObject({ value: "manual", node_id: "agent" });
        expect(again.winner("theme")).toMatchObject({ value: "dark", node_id: "site-a" });
      },
      { what: "the agent has read all logs" },
    );
    again.write("put agent.mode automatic");
    for (const site of [a, b]) await arrives(site, "config", "agent.mode", "automatic");
  });
});
