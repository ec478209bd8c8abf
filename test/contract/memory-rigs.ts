/** The rigs over memory, in real time: what the fakes promise is measured with the same clock as what NATS does. */
import { setTimeout as sleep } from "node:timers/promises";
import { createSystemClock } from "../../src/system.js";
import { bucketNamed } from "../core/names.js";
import { createMemoryBucketStore } from "../memory/bucket-store.js";
import { type MemoryConnection, createMemoryConnection } from "../memory/connection.js";
import { type MemoryLog, createMemoryOperationLog } from "../memory/operation-log.js";
import { createMemoryPeerLink } from "../memory/peer-link.js";
import { type Beating, createMemoryPulseLine } from "../memory/pulse.js";
import { createMemoryPeerService, createMemoryQuestions } from "../memory/questions.js";
import { type Present, createMemoryPresence } from "../memory/presence.js";
import { type MemorySite, createMemorySite } from "../memory/site.js";
import { createMemorySiteState } from "../memory/site-state.js";
import { type MemoryStream, createMemoryStream } from "../memory/stream.js";
import { headerLine } from "../../src/nats/message.js";
import type { SiteId } from "../../src/core/ids.js";
import type { LogFormat } from "../../src/nats/log-codec.js";
import type { BucketOptions, BucketRig, LogRig, PeerRig, PresenceRig, PulseRig, QuestionsRig, Rig, StateRig, StreamActions } from "./rigs.js";
import { PEER, SITE } from "./rigs.js";

const QUIET_MS = 50;
const clock = createSystemClock();
const BUCKET = bucketNamed("config");

const rigOver = (connection: MemoryConnection): Rig => ({
  quiet: () => sleep(QUIET_MS),
  kill: () => Promise.resolve(connection.cut()),
  dispose: () => Promise.resolve(connection.kill()),
});

const actionsOn = (stream: MemoryStream): StreamActions => ({
  publish(key, value, headers = {}) {
    const lines = Object.entries(headers).map(([name, text]) => headerLine(name, text));
    const block = lines.length === 0 ? "" : `NATS/1.0\r\n${lines.join("")}\r\n`;
    const answer = stream.publish(key, typeof value === "string" ? Buffer.from(value) : value, block);
    return answer.kind === "stored" ? Promise.resolve(answer.sequence) : Promise.reject(new Error(answer.kind));
  },
  purge: (key) => Promise.resolve(stream.purge(key)),
  messages: () => Promise.resolve([...stream.messages()].length),
  destroy: () => Promise.resolve(stream.destroy()),
  remake: () => Promise.resolve((stream.destroy(), stream.create())),
});

export function memoryBucketRig(options: BucketOptions): Promise<BucketRig> {
  const { history = 1, messageBytesMax = 1_048_576, markersMs, maxAgeNs = 0, missing } = options;
  const connection = createMemoryConnection(clock);
  const expiring = markersMs !== undefined;
  const expiry = { markers: expiring, messageTtl: expiring, maxAgeMs: maxAgeNs / 1e6 };
  const stream = createMemoryStream(clock, { history, messageBytesMax, ...expiry });
  if (missing === undefined) stream.create();
  const store = createMemoryBucketStore({ connection, stream, create: missing === "made", nowMs: () => clock.nowMs() });
  const find: BucketRig["find"] = (key) => {
    const last = stream.last(key);
    if (last === undefined) return Promise.resolve(undefined);
    const operation = /KV-Operation: (\w+)/.exec(last.block)?.[1] ?? "PUT";
    return Promise.resolve({ value: Buffer.from(last.payload), revision: last.sequence, operation });
  };
  return Promise.resolve({ ...rigOver(connection), store, stream: actionsOn(stream), find });
}

const logOf = (connection: MemoryConnection, stream: MemoryStream, site = SITE, format: LogFormat = "raw"): MemoryLog => ({
  connection,
  stream,
  site,
  bucket: BUCKET,
  format,
});

export function memoryLogRig(format: LogFormat): Promise<LogRig> {
  const [connection, others] = [createMemoryConnection(clock), createMemoryConnection(clock)];
  const stream = createMemoryStream(clock);
  const [log, other] = [connection, others].map((each) => createMemoryOperationLog(logOf(each, stream, SITE, format)));
  if (log === undefined || other === undefined) throw new Error("two logs were made");
  return Promise.resolve({ ...rigOver(connection), log, other, stream: actionsOn(stream) });
}

export function memoryPeerRig(format: LogFormat): Promise<PeerRig> {
  const [connection, peers] = [createMemoryConnection(clock), createMemoryConnection(clock)];
  const stream = createMemoryStream(clock);
  const link = createMemoryPeerLink(logOf(connection, stream, PEER, format));
  const log = createMemoryOperationLog(logOf(peers, stream, PEER, format));
  return Promise.resolve({ ...rigOver(connection), link, log, stream: actionsOn(stream) });
}

export function memoryStateRig(): Promise<StateRig> {
  const durable = new Map<string, string>();
  const [connection, later] = [createMemoryConnection(clock), createMemoryConnection(clock)];
  const [state, next] = [createMemorySiteState(connection, durable), createMemorySiteState(later, durable)];
  const remove = (key: string) => Promise.resolve(void durable.delete(key));
  return Promise.resolve({ ...rigOver(connection), state, next, remove });
}

export function memoryPresenceRig(): Promise<PresenceRig> {
  const present: Present = new Map();
  const [near, far] = [createMemoryConnection(clock), createMemoryConnection(clock)];
  const all = [near, far];
  return Promise.resolve({
    quiet: () => sleep(QUIET_MS),
    one: createMemoryPresence(near, present, clock),
    other: createMemoryPresence(far, present, clock),
    end: () => Promise.resolve(near.kill()),
    kill: () => Promise.resolve(all.forEach((connection) => connection.cut())),
    revive: () => Promise.resolve(all.forEach((connection) => connection.heal())),
    dispose: () => Promise.resolve(all.forEach((connection) => connection.kill())),
  });
}

export function memoryQuestionsRig(): Promise<QuestionsRig> {
  const connection = createMemoryConnection(clock);
  const sites = new Map<SiteId, MemorySite>();
  const ends: QuestionsRig["ends"] = (id, name) => {
    const site = sites.get(id) ?? createMemorySite(clock, id);
    sites.set(id, site);
    const bucket = site.bucket(name);
    return { asked: createMemoryQuestions(connection, bucket, clock), service: createMemoryPeerService(bucket, connection) };
  };
  return Promise.resolve({ ...rigOver(connection), ends, revive: () => Promise.resolve(connection.heal()) });
}

export function memoryPulseRig(): Promise<PulseRig> {
  const connection = createMemoryConnection(clock);
  const beating = new Map<SiteId, Beating>([SITE, PEER].map((site) => [site, { pulses: new Map() }]));
  const of = (site: SiteId) => beating.get(site) ?? { pulses: new Map() };
  const [asking, answering] = [SITE, PEER].map((site) => createMemoryPulseLine({ site, own: of(site), of, connection, clock }));
  if (asking === undefined || answering === undefined) throw new Error("two lines were made");
  return Promise.resolve({ ...rigOver(connection), asking, answering, revive: () => Promise.resolve(connection.heal()) });
}
