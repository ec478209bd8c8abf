/** The server on a real port: real clients, real sockets, and an end that waits for nobody. */
import { once } from "node:events";
import { Agent, request } from "node:http";
import { type Socket, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { HTTP_BODY_BYTES_MAX } from "../../src/core/limits.js";
import type { HttpAddress, HttpServer } from "../../src/http/server.js";
import { sampleStatus } from "../telemetry/sample-status.js";
import { serverWith } from "./server-rig.js";

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(): Promise<{ readonly server: HttpServer; readonly at: HttpAddress; readonly url: string }> {
  const server = serverWith();
  cleanups.push(() => server.close());
  const at = await server.listen();
  return { server, at, url: `http://${at.host}:${at.port}` };
}

async function socketTo(at: HttpAddress): Promise<Socket> {
  const socket = connect(at.port, at.host);
  // Being cut off is what these tests are about.
  socket.on("error", () => undefined);
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

describe("a listening server", () => {
  test("answers on the free port that it was given", async () => {
    const { at, url } = await listening();
    expect(at.host).toBe("127.0.0.1");
    expect(at.port).toBeGreaterThan(0);
    const answer = await fetch(`${url}/api/v1/status`);
    expect([answer.status, await answer.json()]).toEqual([200, sampleStatus()]);
    const reloaded = await fetch(`${url}/api/v1/reload`, { method: "POST" });
    expect(reloaded.status).toBe(200);
  });

  test("refuses a host name that someone else made point to it", async () => {
    const { at } = await listening();
    const headers = { host: `rebound.example:${at.port}` };
    const sent = request({ ...at, path: "/api/v1/status", headers, agent: false }).end();
    const [answer] = (await once(sent, "response")) as [{ statusCode: number; resume(): void }];
    answer.resume();
    expect(answer.statusCode).toBe(403);
  });

  test("refuses a huge body by its announced length, before it is sent", async () => {
    const { at } = await listening();
    const socket = await socketTo(at);
    const length = 1_000 * HTTP_BODY_BYTES_MAX;
    socket.write(`POST /api/v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${length}\r\n\r\n`);
    const [head] = (await once(socket, "data")) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("says who must do what when its address is taken", async () => {
    const { at } = await listening();
    const second = serverWith({}, at);
    cleanups.push(() => second.close());
    await expect(second.listen()).rejects.toMatchObject({
      code: "KVGW_USAGE",
      message: expect.stringMatching(/cannot listen on 127\.0\.0\.1:\d+ \(.*EADDRINUSE.*\); .*http\.listen/) as string,
    });
  });
});

describe("closing", () => {
  test("cuts clients that keep their connection, have sent nothing, or stopped in the middle", async () => {
    const { server, at, url } = await listening();
    const agent = new Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const kept = request(`${url}/livez`, { agent }).end();
    const [answer] = (await once(kept, "response")) as [NodeJS.ReadableStream];
    await once(answer.resume(), "end");
    const [silent, halfway] = [await socketTo(at), await socketTo(at)];
    halfway.write("POST /api/v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nfive");
    const cut = [silent, halfway].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    await server.close();
    await Promise.all(cut);
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });
});
