/**
 * Sites with one bucket between them, under virtual time, for stories: write, run, look. The gateways are real ones over
 * memory ports; everything else a test does by hand.
 */
import type { BucketConfig } from "../../src/config/config.js";
import type { GatewayEvent } from "../../src/core/events.js";
import type { SiteId } from "../../src/core/ids.js";
import type { LoggedOperation } from "../../src/core/operation.js";
import { formatVersion } from "../../src/core/version.js";
import { bucketNamed, siteNamed } from "../core/names.js";
import type { Application } from "../memory/application.js";
import { type MemoryGateway, startMemoryGateway } from "../memory/gateway.js";
import { readStored } from "../memory/operation-log.js";
import { type MemorySite, createMemorySite } from "../memory/site.js";
import type { MemoryStream, StreamOptions } from "../memory/stream.js";
import { type VirtualClock, createVirtualClock } from "../memory/virtual-clock.js";

export const BUCKET = bucketNamed("config");
/** Longer than every wait of a healthy pipeline. */
const A_WHILE_MS = 20_000;

export interface WorldOptions {
  readonly sites?: readonly string[];
  /** Of every site's bucket, or of one site's. */
  readonly stream?: Partial<StreamOptions>;
  readonly streamAt?: Readonly<Record<string, Partial<StreamOptions>>>;
  readonly config?: Partial<BucketConfig>;
  /** False for stories about the logs alone: no gateway answers another one's questions. */
  readonly reconcile?: boolean;
}

/** One site in a story. */
export interface Place {
  readonly id: SiteId;
  readonly site: MemorySite;
  readonly bucket: MemoryStream;
  readonly log: MemoryStream;
  readonly app: Application;
  /** The gateway that runs, or ran last. */
  readonly gateway: () => MemoryGateway;
  /** Starts a gateway; lets no time pass. With these sites only, this one among them, or with all. */
  readonly start: (sites?: readonly string[]) => MemoryGateway;
  /** What the log keeps: `put k 17 a`, in order. */
  logged(): string[];
  events<Type extends GatewayEvent["type"]>(type: Type): Extract<GatewayEvent, { type: Type }>[];
  /** JSON of the site's state under the key, null without. */
  saved(key: string): unknown;
}

export interface World {
  readonly clock: VirtualClock;
  /** What every gateway was started with. */
  readonly config: BucketConfig;
  place(site: string): Place;
  places(): readonly Place[];
  /** Starts a gateway at every site. */
  start(): void;
  /** Long enough for everything to arrive, and for checkpoints. */
  settle(): Promise<void>;
  /** Until `holds`; throws if it does not come to. */
  until(holds: () => boolean, what: string): Promise<void>;
  /** Every site's bucket as its readers find it; one object per site, so that `toEqual` compares them. */
  contents(): Record<string, Record<string, string>>;
  /** Every site reads exactly this. */
  everywhere(expected: Record<string, string>): Record<string, Record<string, string>>;
  /** In an orderly way. */
  stop(place: Place): Promise<void>;
}

export const bucketConfig = (sites: readonly SiteId[], changes: Partial<BucketConfig> = {}): BucketConfig => ({
  name: BUCKET,
  subject: "rep.kv.ops.config",
  sites: new Map(sites.map((site) => [site, { bucket: BUCKET }])),
  policy: "lww",
  tombstoneTtlMs: 86_400_000,
  reconcileIntervalMs: 300_000,
  maxClockSkewMs: 3_600_000,
  format: "raw",
  log: "local",
  keys: { include: [">"], exclude: [] },
  limits: { inFlight: 1_024, opsPerSecond: 0 },
  priority: 5,
  create: { history: 1, storage: "file", replicas: 1 },
  paused: false,
  ...changes,
});

export function createWorld({
  sites: names = ["a", "b"],
  stream,
  streamAt = {},
  config: changes,
  reconcile = true,
}: WorldOptions = {}): World {
  const clock = createVirtualClock();
  const sites = names.map((name) => createMemorySite(clock, siteNamed(name), { ...stream, ...streamAt[name] }));
  const config = bucketConfig(
    sites.map(({ id }) => id),
    changes,
  );
  let started = 0;
  const places = sites.map((site) => {
    const peers = sites.filter((other) => other !== site);
    return placeOf(site, config, (listed = names) => {
      const among = peers.filter(({ id }) => listed.includes(id));
      const own = { ...config, sites: new Map([...config.sites].filter(([id]) => listed.includes(id))) };
      return startMemoryGateway({ clock, site, peers: among, seed: ++started, reconcile }, own);
    });
  });
  const place = (name: string) => {
    const found = places.find(({ id }) => id === name);
    if (found === undefined) throw new Error(`there is no site ${name}`);
    return found;
  };
  async function until(holds: () => boolean, what: string): Promise<void> {
    if (!(await clock.runUntil(holds, A_WHILE_MS))) throw new Error(`not within ${A_WHILE_MS} virtual ms: ${what}`);
  }
  return {
    ...{ clock, config },
    place,
    places: () => places,
    start() {
      for (const each of places) each.start();
    },
    settle: () => clock.advance(A_WHILE_MS),
    until,
    contents: () => Object.fromEntries(places.map(({ id, app }) => [id, Object.fromEntries(app.read())])),
    everywhere: (expected) => Object.fromEntries(places.map(({ id }) => [id, expected])),
    async stop(stopping) {
      let over = false;
      const stopped = stopping
        .gateway()
        .stop()
        .then(() => (over = true));
      await until(() => over, `the gateway of ${stopping.id} has stopped`);
      await stopped;
    },
  };
}

function placeOf(site: MemorySite, config: BucketConfig, start: (listed?: readonly string[]) => MemoryGateway): Place {
  const { stream, log, app } = site.bucket(BUCKET);
  let gateway: MemoryGateway | undefined;
  const running = () => {
    if (gateway === undefined) throw new Error(`no gateway was started at ${site.id}`);
    return gateway;
  };
  const reading = { site: site.id, bucket: BUCKET, format: config.format };
  return {
    ...{ id: site.id, site, bucket: stream, log, app },
    gateway: running,
    start: (listed) => (gateway = start(listed)),
    logged: () =>
      [...log.messages()].map((message) => {
        const read = readStored(message, reading, false);
        return read.ok ? describeLogged(read.value) : `unreadable ${message.subject}`;
      }),
    events: (type) => running().events.filter((event) => event.type === type) as never,
    saved: (key) => JSON.parse(site.state.get(key) ?? "null") as unknown,
  };
}

const describeLogged = ({ operation: { kind, key, version } }: LoggedOperation) =>
  `${kind} ${key} ${formatVersion(version)}`;
