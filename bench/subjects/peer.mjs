/**
 * A peer as a subject: what else merges the writes of two sites both ways. Not on NATS, so each site is a process of its
 * own kind (../peers/), which holds its bucket, carries it, and has the applications in it. Only where it is installed.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { whileThere } from "../load.mjs";
import { freePorts } from "../servers.mjs";
import { within } from "../wait.mjs";

const PEERS = fileURLToPath(new URL("../peers/", import.meta.url));
const READY_WITHIN_MS = 30_000;
const ANSWER_WITHIN_MS = 60_000;
const WRITTEN_WITHIN_MS = 120_000;

/** @import { Site } from "../sites.mjs" */
/** @import { Stage } from "../stage.mjs" */
/** @import { Subject } from "./subject.mjs" */

/**
 * @param {{ name: string, differs: string }} peer `name` is that of its package and of its program
 * @returns {Subject}
 */
export function peer({ name, differs }) {
  return {
    ...{ name, differs },
    missing: () => (existsSync(join(PEERS, "node_modules", name)) ? null : "not installed: npm --prefix bench/peers ci"),
    async openSites(stage) {
      const [portA = 0, portB = 0] = await freePorts(2);
      const a = await openSite(stage, { program: `${name}.mjs`, role: "peer-a", port: portA });
      const b = await openSite(stage, { program: `${name}.mjs`, role: "peer-b", port: portB });
      return { a, b };
    },
    async prepare(_stage, { a, b }) {
      return {
        async start() {
          const connected = b.connect(a.url);
          connected.catch(() => undefined);
          return { untilReady: () => within(connected, { what: `${name} is connected`, withinMs: READY_WITHIN_MS }) };
        },
      };
    },
  };
}

/**
 * @param {Stage} stage
 * @param {{ program: string, role: string, port: number }} options
 * @returns {Promise<Site & { url: string, connect(url: string): Promise<unknown> }>}
 */
async function openSite(stage, { program, role, port }) {
  const folder = join(stage.folder, role);
  await mkdir(folder);
  const child = stage.start(role, process.execPath, [join(PEERS, program), folder, String(port)], { watched: true, cwd: folder });
  /** @type {(number: number) => void} */
  let onSeen = () => undefined;
  /** @type {Map<number, (answer: any) => void>} */
  const waiting = new Map();
  let asked = 0;
  const ready = new Promise((resolve) => {
    child.process.on("message", (/** @type {any} */ message) => {
      if (message.ready) resolve(undefined);
      else if (message.seen !== undefined) onSeen(message.seen);
      else waiting.get(message.id)?.(message);
    });
  });
  await whileThere(child, ready, { what: `${role} is ready`, withinMs: READY_WITHIN_MS });

  /** @type {(call: string, argument?: unknown, withinMs?: number) => Promise<any>} */
  async function ask(call, argument, withinMs = ANSWER_WITHIN_MS) {
    const id = ++asked;
    const answered = new Promise((resolve) => waiting.set(id, resolve));
    child.process.send({ id, call, argument });
    const { answer, error } = await whileThere(child, answered, { what: `${role} answers to ${call}`, withinMs });
    waiting.delete(id);
    if (error !== undefined) throw new Error(`${role}: ${error}`);
    return answer;
  }

  return {
    url: `http://127.0.0.1:${port}`,
    connect: (url) => ask("connect", { url }, WRITTEN_WITHIN_MS),
    async prepareWriter(load) {
      await ask("prepare", load);
      return { write: () => ask("write", undefined, WRITTEN_WITHIN_MS), stop: async () => undefined };
    },
    progress: () => ask("progress"),
    async contents() {
      const found = /** @type {Map<string, Uint8Array>} */ (await ask("contents"));
      const { lastRevision } = await ask("progress");
      const values = new Map([...found].map(([key, value]) => [key, Buffer.from(value)]));
      return { values, lastRevision };
    },
    openBucket: async () => (key, value) => ask("put", { key, value }),
    async watch(listener) {
      onSeen = listener;
      await ask("watch");
    },
  };
}
