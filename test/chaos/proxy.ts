/**
 * A TCP proxy for one directed link, with weather: what passes is delayed, slowed down, held back in one direction or
 * both, or reset; and a connection may end at one side only. It forwards bytes and knows nothing of NATS.
 *
 * Invariants: without weather everything passes unchanged and in order, and an end of one side ends the other. What is
 * held back is bounded, because a full queue stops reading. After `close` no socket and no timer is left.
 */
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

export type Way = "to server" | "to client";
export const BOTH_WAYS: readonly Way[] = ["to server", "to client"];

export interface Weather {
  /** Each way. */
  readonly delayMs: number;
  /** Each way and connection. */
  readonly bytesPerSecond: number;
  /** A black hole: nothing passes, an end neither, and whoever connects waits for the first byte. */
  readonly held: readonly Way[];
}

export const FAIR: Weather = { delayMs: 0, bytesPerSecond: Infinity, held: [] };

export interface Proxy {
  readonly port: number;
  /** Concerns the connections that exist as well. */
  setWeather(weather: Partial<Weather>): void;
  /** Fair weather again; connections that were half open end. */
  clear(): void;
  /** Resets every connection at both sides; how many. */
  reset(): number;
  /** Ends every connection at one side, and the other side hears nothing of it; how many. */
  cutOneSide(side: "client" | "server"): number;
  /** While it is shut whoever connects is reset, in any weather. */
  shut(isShut: boolean): void;
  /** Connections with an open side. */
  connections(): number;
  close(): Promise<void>;
}

/** Bytes on their way in one direction of one connection, apart from what the system's buffers hold. */
const QUEUED_BYTES_MAX = 256 * 1024;
/** A slow link sends this often. */
const SLICE_MS = 20;

interface Connection {
  readonly sides: readonly Socket[];
  /** Looks again what may pass. */
  stir(): void;
  reset(): void;
  cut(side: "client" | "server"): boolean;
  isOpen(): boolean;
}

export async function createProxy(targetPort: number): Promise<Proxy> {
  let weather = FAIR;
  let isShut = false;
  const connections = new Set<Connection>();
  const halfOpen = new Set<Connection>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on("error", () => undefined);
    if (isShut) return reset(client);
    const connection = createConnection(client, targetPort, () => weather);
    connections.add(connection);
    for (const side of connection.sides) {
      side.on("close", () => {
        if (connection.isOpen()) return;
        connections.delete(connection);
        halfOpen.delete(connection);
      });
    }
  });
  const port = await listen(server);
  const resetAll = (which: ReadonlySet<Connection>): number => {
    const all = [...which];
    for (const connection of all) connection.reset();
    return all.length;
  };
  const change = (next: Weather) => {
    weather = next;
    for (const connection of connections) connection.stir();
  };
  return {
    port,
    setWeather: (partial) => change({ ...weather, ...partial }),
    clear() {
      resetAll(halfOpen);
      change(FAIR);
    },
    reset: () => resetAll(connections),
    cutOneSide(side) {
      const cut = [...connections].filter((connection) => connection.cut(side));
      for (const connection of cut) halfOpen.add(connection);
      return cut.length;
    },
    shut: (now) => void (isShut = now),
    connections: () => connections.size,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      resetAll(connections);
      await closed;
    },
  };
}

async function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}

function createConnection(client: Socket, targetPort: number, weather: () => Weather): Connection {
  const server = connect({ port: targetPort, host: "127.0.0.1", allowHalfOpen: true });
  server.on("error", () => undefined);
  const sides = [client, server];
  for (const side of sides) side.setNoDelay(true);
  let mute = false;
  const pipes = [
    createPipe(client, server, () => passing("to server")),
    createPipe(server, client, () => passing("to client")),
  ];
  const passing = (way: Way): Weather | null => (mute || weather().held.includes(way) ? null : weather());
  const isHeld = () => mute || weather().held.length > 0;

  /** An end passes as bytes do: behind what is on its way, and not while anything is held. */
  function passEnds(): void {
    if (isHeld()) return;
    for (const [index, side] of sides.entries()) {
      const other = sides[1 - index];
      if (side.destroyed && other?.destroyed === false && pipes[index]?.isEmpty() === true) reset(other);
    }
  }
  const stir = () => {
    for (const pipe of pipes) pipe.pump();
    passEnds();
  };
  for (const [index, side] of sides.entries()) {
    side.on("close", () => {
      // What was meant for this side has nowhere to go any more.
      pipes[1 - index]?.drop();
      stir();
    });
  }
  for (const pipe of pipes) pipe.onEmpty(passEnds);
  client.resume();
  return {
    sides,
    stir,
    reset: () => {
      mute = true;
      for (const side of sides) reset(side);
    },
    cut(side) {
      if (mute || sides.some(({ destroyed }) => destroyed)) return false;
      mute = true;
      reset(side === "client" ? client : server);
      return true;
    },
    isOpen: () => sides.some(({ destroyed }) => !destroyed),
  };
}

/** Node does not close a socket that is reset while it is ending, and does not reset one that is still connecting. */
function reset(socket: Socket): void {
  if (socket.writableEnded || socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

interface Pipe {
  pump(): void;
  drop(): void;
  isEmpty(): boolean;
  onEmpty(listener: () => void): void;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

function createPipe(from: Socket, to: Socket, passing: () => Weather | null): Pipe {
  let queue: Waiting[] = [];
  let queued = 0;
  let ended = false;
  let draining = false;
  let timer: NodeJS.Timeout | null = null;
  let empty: () => void = () => undefined;

  const later = (ms: number) => {
    timer = setTimeout(() => {
      timer = null;
      pump();
    }, ms);
  };

  function pump(): void {
    while (timer === null && !draining && !to.destroyed) {
      const weather = passing();
      const [head] = queue;
      if (weather === null || head === undefined) break;
      const waitMs = head.dueMs - performance.now();
      if (waitMs > 0) return later(Math.ceil(waitMs));
      const slow = Number.isFinite(weather.bytesPerSecond);
      send(head, slow ? Math.max(1, Math.round((weather.bytesPerSecond * SLICE_MS) / 1_000)) : Infinity);
      if (slow) return later(SLICE_MS);
    }
    if (queue.length === 0 && passing() !== null) {
      if (ended) to.end();
      empty();
    }
  }

  function send(head: Waiting, atMost: number): void {
    const bytes = head.bytes.subarray(0, Math.min(atMost, head.bytes.length));
    if (bytes.length === head.bytes.length) queue.shift();
    else queue[0] = { ...head, bytes: head.bytes.subarray(bytes.length) };
    queued -= bytes.length;
    if (queued < QUEUED_BYTES_MAX) from.resume();
    draining = !to.write(bytes);
  }

  from.on("data", (bytes: Buffer) => {
    queue.push({ bytes, dueMs: performance.now() + (passing()?.delayMs ?? 0) });
    queued += bytes.length;
    if (queued >= QUEUED_BYTES_MAX) from.pause();
    pump();
  });
  from.on("end", () => {
    ended = true;
    pump();
  });
  to.on("drain", () => {
    draining = false;
    pump();
  });
  return {
    pump,
    drop() {
      queue = [];
      queued = 0;
      if (timer !== null) clearTimeout(timer);
      timer = null;
    },
    isEmpty: () => queue.length === 0,
    onEmpty: (listener) => void (empty = listener),
  };
}
