/** The rigs over real servers: one server for a suite, fresh connections and streams for every rig. */
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type NatsConnection, headers as newHeaders } from "@nats-io/transport-node";
import type { ServerVersion } from "../../scripts/nats-server.mjs";
import type { SiteConfig } from "../../src/config/config.js";
import type { GatewayError } from "../../src/core/errors.js";
import type { SiteId } from "../../src/core/ids.js";
import { createBucketStore } from "../../src/nats/bucket-store.js";
import { type Connections, type Lease, createConnections } from "../../src/nats/connections.js";
import type { LogFormat } from "../../src/nats/log-codec.js";
import { createOperationLog } from "../../src/nats/operation-log.js";
import { createPeerLink } from "../../src/nats/peer-link.js";
import { createPeerQuestions } from "../../src/nats/peer-questions.js";
import { createPeerService } from "../../src/nats/peer-service.js";
import { createPresence } from "../../src/nats/presence.js";
import { createPulseLine } from "../../src/nats/peer-pulse.js";
import { createServiceListing } from "../../src/nats/service-listing.js";
import { createSiteState } from "../../src/nats/site-state.js";
import { bucketPrefix, bucketStream, logPrefix, logStream, stateBucket } from "../../src/nats/subjects.js";
import { createSystemClock, readSecret, systemRandom } from "../../src/system.js";
import { bucketNamed } from "../core/names.js";
import { bucketContents, connectTo, openBucket } from "../support/clients.js";
import { eventually } from "../support/eventually.js";
import { type NatsServer, startNatsServer } from "../support/nats-server.js";
import type { BucketOptions, BucketRig, LogRig, PeerRig, PresenceRig, PulseRig, QuestionsRig, Rig, StateRig, StreamActions } from "./rigs.js";
import { PEER, SITE } from "./rigs.js";

const QUIET_MS = 150;
const clock = createSystemClock();

/** Makes rigs over one server, which it starts; `stop` ends it. */
export interface NatsRigs {
  readonly server: NatsServer;
  bucket(options: BucketOptions): Promise<BucketRig>;
  log(format: LogFormat): Promise<LogRig>;
  peer(format: LogFormat): Promise<PeerRig>;
  state(): Promise<StateRig>;
  questions(): Promise<QuestionsRig>;
  presence(): Promise<PresenceRig>;
  pulse(): Promise<PulseRig>;
  stop(): Promise<void>;
}

/** One rig's connections: ours as the product makes them, and an application's. */
interface Ground extends Rig {
  readonly lease: Lease;
  /** Names everything of the rig. */
  readonly name: string;
  readonly app: NatsConnection;
}

export async function startNatsRigs(version: ServerVersion): Promise<NatsRigs> {
  const server = await startNatsServer({ version });
  let made = 0;
  const ground = async (): Promise<Ground> => {
    if (server.pid === undefined) await server.restart();
    return connect(server, `rig-${++made}`);
  };
  return {
    server,
    bucket: async (options) => bucketRig(await ground(), options),
    log: async (format) => logRig(await ground(), format),
    peer: async (format) => peerRig(await ground(), format),
    state: async () => stateRig(await ground(), `site-${made}`),
    questions: async () => questionsRig(server, await ground(), await ground()),
    presence: async () => presenceRig(server, await ground(), await ground()),
    pulse: async () => pulseRig(server, await ground(), await ground()),
    stop: () => server.dispose(),
  };
}

async function connect(server: NatsServer, name: string): Promise<Ground> {
  const onBug = (error: GatewayError) => {
    throw error;
  };
  const connections: Connections = createConnections({
    clock,
    readSecret,
    clientName: name,
    onStatus: () => undefined,
    onBug,
  });
  const lease = connections.lease(siteAt(server.url));
  const [app] = await Promise.all([connectTo(server.url), lease.ready()]);
  return {
    ...{ lease, name, app },
    quiet: () => sleep(QUIET_MS),
    kill: () => server.kill(),
    async dispose() {
      lease.release();
      await Promise.all([connections.close(), app.close()]);
    },
  };
}

const siteAt = (url: string): SiteConfig => ({
  id: SITE,
  servers: [url],
  credentials: null,
  tls: null,
  via: null,
  domain: null,
  bytesPerSecond: 0,
  gateways: "one",
});

function actionsOn(app: NatsConnection, stream: string, prefix: string): StreamActions {
  const manager = () => jetstreamManager(app);
  return {
    async publish(key, value, headers = {}) {
      const all = newHeaders();
      for (const [name, text] of Object.entries(headers)) all.append(name, text);
      const withHeaders = Object.keys(headers).length > 0 ? { headers: all } : {};
      return (await jetstream(app).publish(`${prefix}${key}`, value, withHeaders)).seq;
    },
    purge: async (key) => void (await (await manager()).streams.purge(stream, { filter: `${prefix}${key}` })),
    messages: async () => (await (await manager()).streams.info(stream)).state.messages,
    async remake() {
      const { streams } = await manager();
      const { config } = await streams.info(stream);
      await streams.delete(stream);
      await streams.add(config);
    },
    destroy: async () => void (await (await manager()).streams.delete(stream)),
  };
}

async function bucketRig(ground: Ground, options: BucketOptions): Promise<BucketRig> {
  const bucket = bucketNamed(ground.name);
  const { history = 1, messageBytesMax, markersMs, maxAgeNs, missing } = options;
  const limits = messageBytesMax === undefined ? {} : { maxValueSize: messageBytesMax };
  const markers = markersMs === undefined ? {} : { markerTTL: markersMs };
  if (missing === undefined) await openBucket(ground.app, bucket, { history, ...limits, ...markers });
  if (maxAgeNs !== undefined) {
    // Servers want the time in which they remember message ids to be no longer.
    const age = { max_age: maxAgeNs, duplicate_window: Math.min(maxAgeNs, 120e9) };
    await (await jetstreamManager(ground.app)).streams.update(bucketStream(bucket), age);
  }
  const create = missing === "made" ? ({ history, storage: "file", replicas: 1 } as const) : false;
  const store = createBucketStore({ lease: ground.lease, clock, site: SITE, epoch: 1, clockOffsetUs: 0 }, bucket, create);
  const find = async (key: string) => (await bucketContents(ground.app, bucket)).get(key);
  return { ...ground, store, stream: actionsOn(ground.app, bucketStream(bucket), bucketPrefix(bucket)), find };
}

const SUBJECT = "rep.kv.ops";

function logOf({ lease, name }: Ground, site: SiteId, epoch: number, format: LogFormat) {
  const names = { site, bucket: bucketNamed(name), subject: `${SUBJECT}.${name}`, format };
  return { place: { lease, domain: null, clock, epoch }, names };
}

function logActions({ app, name }: Ground, site: SiteId): StreamActions {
  return actionsOn(app, logStream(site, bucketNamed(name)), logPrefix(`${SUBJECT}.${name}`, site));
}

function logRig(ground: Ground, format: LogFormat): LogRig {
  const own = logOf(ground, SITE, 1, format);
  const log = createOperationLog(own.place, own.names);
  const other = createOperationLog({ ...own.place, epoch: 2 }, own.names);
  return { ...ground, log, other, stream: logActions(ground, SITE) };
}

function peerRig(ground: Ground, format: LogFormat): PeerRig {
  const peers = logOf(ground, PEER, 1, format);
  const link = createPeerLink(peers.place, peers.names, SITE);
  const log = createOperationLog(peers.place, peers.names);
  return { ...ground, link, log, stream: logActions(ground, PEER) };
}

function stateRig(ground: Ground, site: string): StateRig {
  const [state, next] = [createSiteState(ground.lease, site as SiteId, clock), createSiteState(ground.lease, site as SiteId, clock)];
  const bucket = stateBucket(site as SiteId);
  const remove: StateRig["remove"] = async (key, how) => (await openBucket(ground.app, bucket))[how](key);
  return { ...ground, state, next, remove };
}

function presenceRig(server: NatsServer, one: Ground, other: Ground): PresenceRig {
  return {
    ...other,
    one: createPresence(one.lease, SITE),
    other: createPresence(other.lease, SITE),
    // What the server sees of it: the connection closes.
    end: () => one.dispose(),
    async revive() {
      await server.restart();
      await Promise.all([one, other].map(({ lease }) => eventually(() => lease.connected(), { what: "connected again" })));
    },
    dispose: async () => void (await Promise.all([one.dispose(), other.dispose()])),
  };
}

function questionsRig(server: NatsServer, asking: Ground, answering: Ground): QuestionsRig {
  return {
    ...asking,
    ends: (site, bucket) => ({
      asked: createPeerQuestions(asking.lease, site, bucket),
      service: createPeerService(answering.lease, site, bucket),
    }),
    revive: () => revive(server, [asking, answering]),
    dispose: async () => void (await Promise.all([asking.dispose(), answering.dispose()])),
  };
}

async function revive(server: NatsServer, grounds: readonly Ground[]): Promise<void> {
  await server.restart();
  await Promise.all(grounds.map(({ lease }) => eventually(() => lease.connected(), { what: "connected again" })));
}

function pulseRig(server: NatsServer, asking: Ground, answering: Ground): PulseRig {
  const listing = (site: SiteId) => createServiceListing({ site, version: "1.2.3", clock, random: systemRandom });
  return {
    ...asking,
    asking: createPulseLine(asking.lease, SITE, listing(SITE)),
    answering: createPulseLine(answering.lease, PEER, listing(PEER)),
    revive: () => revive(server, [asking, answering]),
    dispose: async () => void (await Promise.all([asking.dispose(), answering.dispose()])),
  };
}
