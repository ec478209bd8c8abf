/** Each weather of the proxy does what it says, and fair weather changes nothing. */
import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { type Proxy, createProxy } from "./proxy.js";

interface Peer {
  readonly socket: Socket;
  received(): string;
  ended(): string | null;
}

function peer(socket: Socket): Peer {
  let text = "";
  let end: string | null = null;
  socket.setEncoding("latin1").on("data", (chunk) => (text += String(chunk)));
  socket.on("error", ({ message }) => (end = message));
  socket.on("close", () => (end ??= "closed"));
  return { socket, received: () => text, ended: () => end };
}

describe("the proxy of a link", () => {
  let server: Server;
  let proxy: Proxy;
  let accepted: Peer[];
  let dialled: Peer[];

  beforeEach(async () => {
    accepted = [];
    dialled = [];
    server = createServer((socket) => void accepted.push(peer(socket)));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    proxy = await createProxy((server.address() as AddressInfo).port);
  });
  afterEach(async () => {
    for (const { socket } of [...dialled, ...accepted]) socket.destroy();
    await proxy.close();
    await new Promise((resolve) => server.close(resolve));
  });

  function start(): Peer {
    const dialling = peer(connect({ port: proxy.port, host: "127.0.0.1" }));
    dialled.push(dialling);
    return dialling;
  }

  async function dial(): Promise<Peer> {
    const dialling = start();
    await once(dialling.socket, "connect");
    return dialling;
  }

  /** Both ends of a connection that has carried something each way. */
  async function pair(): Promise<readonly [client: Peer, server: Peer]> {
    const count = accepted.length;
    const client = await dial();
    client.socket.write("hello ");
    const other = await eventually(() => accepted[count] ?? false, { what: "the server has a connection" });
    other.socket.write("welcome ");
    await both(client, "welcome ", other, "hello ");
    return [client, other];
  }

  const both = (a: Peer, toA: string, b: Peer, toB: string) =>
    eventually(() => expect([a.received(), b.received()]).toEqual([toA, toB]), { what: "both have all" });

  it("passes everything in order, also what fills all buffers", async () => {
    const [client, other] = await pair();
    const text = Array.from({ length: 300_000 }, (_, index) => `${index} `).join("");
    client.socket.write(text);
    other.socket.write(text);
    await both(client, `welcome ${text}`, other, `hello ${text}`);
  });

  it("passes an end on, behind what was sent before it", async () => {
    const [client, other] = await pair();
    client.socket.end("last words");
    await eventually(() => other.ended() === "closed", { what: "the server hears of the end" });
    expect(other.received()).toBe("hello last words");
    await eventually(() => proxy.connections() === 0, { what: "the proxy has no connection left" });
  });

  it("resets a client whose server is gone", async () => {
    const [client, other] = await pair();
    other.socket.resetAndDestroy();
    await eventually(() => client.ended() !== null, { what: "the client hears of it" });
  });

  it("delays what passes by at least what it was told", async () => {
    const [client, other] = await pair();
    proxy.setWeather({ delayMs: 150 });
    const begun = performance.now();
    client.socket.write("late");
    await eventually(() => other.received() === "hello late", { what: "it arrives", everyMs: 5 });
    expect(performance.now() - begun).toBeGreaterThanOrEqual(149);
  });

  it("slows down to the bytes a second that it was told", async () => {
    const [client, other] = await pair();
    proxy.setWeather({ bytesPerSecond: 10_000 });
    const begun = performance.now();
    client.socket.write("x".repeat(4_000));
    await eventually(() => other.received().length === 4_006, { what: "it arrives" });
    expect(performance.now() - begun).toBeGreaterThan(300);
  });

  it.each([
    ["to server", "to client"],
    ["to client", "to server"],
  ] as const)("holds back what goes %s only, and brings it once the weather is fair", async (held, free) => {
    const [client, other] = await pair();
    proxy.setWeather({ held: [held] });
    client.socket.write("question");
    other.socket.write("answer");
    const toServer = () => other.received() === "hello question";
    const toClient = () => client.received() === "welcome answer";
    await eventually(free === "to server" ? toServer : toClient, { what: "the free direction passes" });
    expect([toServer(), toClient()]).toEqual([free === "to server", free === "to client"]);
    proxy.clear();
    await both(client, "welcome answer", other, "hello question");
  });

  it("is a black hole for those who connect, and hides that the server has gone", async () => {
    const [client, other] = await pair();
    proxy.setWeather({ held: ["to server", "to client"] });
    other.socket.resetAndDestroy();
    const late = await dial();
    late.socket.write("anybody?");
    const third = await eventually(() => accepted[1] ?? false, { what: "the proxy has connected" });
    third.socket.write("here");
    await eventually(() => other.socket.destroyed, { what: "the server is gone" });
    expect([client.ended(), late.received(), third.received()]).toEqual([null, "", ""]);
    proxy.clear();
    await eventually(() => client.ended() !== null, { what: "the first client hears of the end" });
    await both(late, "here", third, "anybody?");
  });

  it("resets both sides when told, and those who connect while it is shut", async () => {
    const [client, other] = await pair();
    expect(proxy.reset()).toBe(1);
    await eventually(() => expect([client.ended(), other.ended()]).toEqual(["read ECONNRESET", "read ECONNRESET"]), {
      what: "both sides are reset",
    });
    proxy.shut(true);
    const refused = start();
    await eventually(() => refused.ended()?.includes("ECONNRESET") === true, { what: "a new client is reset" });
    proxy.shut(false);
    await pair();
    expect(accepted).toHaveLength(2);
  });

  it.each(["client", "server"] as const)("leaves a connection half open that ends at the %s's side", async (side) => {
    const [client, other] = await pair();
    expect(proxy.cutOneSide(side)).toBe(1);
    const [gone, left] = side === "client" ? [client, other] : [other, client];
    await eventually(() => gone.ended() === "read ECONNRESET", { what: "one side is reset" });
    left.socket.write("anybody?");
    // Another connection passes meanwhile: the proxy is not merely slow.
    await pair();
    expect([left.ended(), gone.received().includes("anybody?")]).toEqual([null, false]);
    proxy.clear();
    await eventually(() => left.ended() !== null, { what: "the other side ends with the fault" });
  });
});
