import { existsSync, readdirSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { findNatsServer, type ServerVersion } from "../../scripts/nats-server.mjs";
import { connectTo, openBucket } from "./clients.js";
import { eventually } from "./eventually.js";
import type { NatsServerOptions } from "./nats-config.js";
import { startNatsServer, type NatsServer } from "./nats-server.js";

const VERSIONS: readonly (readonly [ServerVersion, RegExp])[] = [
  ["2.15", /^(2\.(1[5-9]|[2-9]\d)|[3-9])\./],
  ["2.10", /^2\.10\./],
  ["2.9", /^2\.9\./],
];

const started: NatsServer[] = [];

async function start(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = await startNatsServer(options);
  started.push(server);
  return server;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.dispose()));
});

async function put(server: NatsServer, key: string, value: string): Promise<void> {
  const connection = await connectTo(server.url);
  try {
    await (await openBucket(connection, "kept")).put(key, value);
  } finally {
    await connection.close();
  }
}

async function get(server: NatsServer, key: string): Promise<string | undefined> {
  const connection = await connectTo(server.url);
  try {
    return (await (await openBucket(connection, "kept")).get(key))?.string();
  } finally {
    await connection.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe.each(VERSIONS)("nats-server %s", (version, pattern) => {
  it("is found, and the binary says that version itself", async () => {
    const found = await findNatsServer({ version });
    expect(found.version).toMatch(pattern);
  });

  it("keeps its data and its port over kill, stop and restart", async () => {
    const server = await start({ version });
    const { port, pid } = server;
    expect(server.version).toMatch(pattern);

    await put(server, "a", "before the kill");
    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await get(server, "a")).toBe("before the kill");

    await put(server, "b", "before the stop");
    await server.stop();
    await server.restart();
    expect(await get(server, "a")).toBe("before the kill");
    expect(await get(server, "b")).toBe("before the stop");

    await server.restart();
    expect(await get(server, "b")).toBe("before the stop");
  });

  it("is gone after dispose, with its process and its folder", async () => {
    const server = await start({ version });
    const pid = server.pid ?? 0;
    const folder = dirname(server.storeDir);
    expect(isAlive(pid)).toBe(true);
    expect(readdirSync(folder)).toContain("nats-server.conf");

    await server.dispose();
    expect(isAlive(pid)).toBe(false);
    expect(existsSync(folder)).toBe(false);
    await expect(server.restart()).rejects.toThrow("was disposed of");
    await server.dispose();
  });
});

describe("a test's nats-server", () => {
  it("answers nobody while it is suspended, and again once it is resumed", async () => {
    const server = await start();
    const connection = await connectTo(server.url);
    try {
      await connection.flush();
      await server.suspend();
      let answered = false;
      const answer = connection.flush().then(() => (answered = true));
      await expect(connectTo(server.url, { timeout: 300, maxReconnectAttempts: 0 })).rejects.toThrow();
      expect(answered).toBe(false);
      server.resume();
      await answer;
    } finally {
      await connection.close();
    }
  });

  it("can be stopped, killed and disposed of while it is suspended", async () => {
    const server = await start();
    await server.suspend();
    await server.stop();
    await server.restart();
    await server.suspend();
    await server.kill();
    await expect(server.suspend()).rejects.toThrow("is down");
    await server.restart();
    await server.suspend();
    await server.dispose();
    expect(server.pid).toBeUndefined();
  });

  it("comes back on its port although somebody else held it for a moment", async () => {
    const server = await start();
    await server.stop();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(server.port, "127.0.0.1", resolve));
    const restarted = server.restart();
    await eventually(() => server.logTail().includes("address already in use"), { what: "the port was refused once" });
    await new Promise((resolve) => holder.close(resolve));
    await restarted;
    expect(server.pid).toBeDefined();
  });

  it("takes the options it is given", async () => {
    const server = await start({
      name: "shop-7",
      domain: "shop",
      maxPayload: 4096,
      syncInterval: "always",
      extraConfig: "max_connections: 2",
    });
    const connection = await connectTo(server.url);
    try {
      expect(connection.info).toMatchObject({ server_name: "shop-7", domain: "shop", max_payload: 4096 });
      const monitor = await fetch(`http://127.0.0.1:${server.monitorPort}/varz`);
      expect(await monitor.json()).toMatchObject({
        max_connections: 2,
        jetstream: { config: { sync_always: true } },
      });
    } finally {
      await connection.close();
    }
  });

  it("joins a hub as a leaf node, and the hub reaches its domain", async () => {
    const hub = await start({ domain: "hub", leafListen: true });
    const leaf = await start({ domain: "edge", leafRemotes: [hub.leafUrl ?? ""] });
    const connection = await connectTo(hub.url);
    try {
      const bucket = await eventually(() => openBucket(connection, "at_the_edge", { domain: "edge", timeout: 1000 }), {
        what: "the hub's client reaches the leaf's JetStream",
      });
      await bucket.put("k", "v");
    } finally {
      await connection.close();
    }
    expect(readdirSync(`${leaf.storeDir}/jetstream/$G/streams`)).toEqual(["KV_at_the_edge"]);
    expect(existsSync(`${hub.storeDir}/jetstream/$G/streams`)).toBe(false);
  });

  it("fails to start with the end of the server's own log, and leaves nothing", async () => {
    const failure = startNatsServer({ name: "broken", extraConfig: "no_such_option: 1" });
    await expect(failure).rejects.toThrow(/nats-server broken ended before it was ready[^]*no_such_option/);
  });
});
