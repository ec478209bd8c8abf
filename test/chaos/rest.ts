/**
 * When everything has healed: waits until all gateways say that nothing is left to do, all that they must remember is
 * durable, and all sites hold the same. What is looked at are states, never the time that has passed.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayStatus } from "../../src/gateway/status.js";
import type { Happening, Message } from "../sim/history.js";
import { type BucketEntry, bucketContents } from "../support/clients.js";
import { BUCKETS } from "./config-text.js";
import { shortValue } from "./record.js";
import { type Stage, type StagedSite, logStream } from "./stage.js";

export interface Rest {
  /** Null if it did not come to rest within the time. */
  readonly afterMs: number | null;
  /** What was missing when it was last looked at. */
  readonly missing: readonly string[];
}

const LOOK_EVERY_MS = 250;

export async function untilAtRest(stage: Stage, withinMs: number): Promise<Rest> {
  const begunMs = performance.now();
  let missing: readonly string[] = [];
  do {
    missing = await whatIsMissing(stage).catch((thrown: unknown) => [String(thrown)]);
    if (missing.length === 0) return { afterMs: Math.round(performance.now() - begunMs), missing };
    await sleep(LOOK_EVERY_MS);
  } while (performance.now() - begunMs < withinMs);
  return { afterMs: null, missing };
}

async function whatIsMissing(stage: Stage): Promise<readonly string[]> {
  const statuses = await Promise.all(stage.sites.map(({ gateway }) => gateway.status()));
  await Promise.all(stage.sites.map(({ observer }) => observer.untilSeen()));
  const told = stage.sites.flatMap(({ name }, index) => missingAt(stage, name, statuses[index] ?? null));
  return told.length > 0 ? told : unequal(stage);
}

function missingAt(stage: Stage, site: string, status: GatewayStatus | null): readonly string[] {
  if (status === null) return [`the gateway of ${site} does not answer`];
  if (status.config.lastError !== null) return [`the gateway of ${site} has refused its YAML: ${status.config.lastError}`];
  if (status.config.hash !== stage.site(site).configHash) return [`the gateway of ${site} still runs by another YAML`];
  return Object.entries(status.buckets).flatMap(([bucket, { state, reason, peers }]) => {
    if (state !== "live") return [`${bucket} at ${site} is ${state}: ${reason?.message ?? ""}`];
    return Object.entries(peers).flatMap(([peer, { state: of, reason: why, lagOperations, checkpoint }]) => {
      const head = stage.site(peer).observer.last(logStream(peer, bucket));
      const saved = savedCheckpoint(stage.site(site), bucket, peer);
      if (of !== "live") return [`${bucket} at ${site}: ${peer} is ${of}: ${why?.message ?? ""}`];
      const done = lagOperations === 0 && checkpoint >= head && saved >= head;
      return done ? [] : [`${bucket} at ${site}: of ${peer} ${head} operations, applied ${checkpoint}, saved ${saved}`];
    });
  });
}

/** As the site's state has it. */
function savedCheckpoint({ observer }: StagedSite, bucket: string, peer: string): number {
  const text = observer.state(`checkpoint.${bucket}.${peer}`);
  return text === null ? 0 : (JSON.parse(text) as { readonly sequence: number }).sequence;
}

type Contents = ReadonlyMap<string, BucketEntry>;

async function unequal(stage: Stage): Promise<readonly string[]> {
  const differing: string[] = [];
  for (const { name: bucket } of BUCKETS) {
    const [first, ...others] = await Promise.all(stage.sites.map(async ({ observer }) => live(await bucketContents(observer.nats, bucket))));
    if (others.some((other) => other !== first)) differing.push(`${bucket} differs between sites`);
  }
  return differing;
}

function live(contents: Contents): string {
  const values = [...contents].filter(([, { operation }]) => operation === "PUT");
  return JSON.stringify(values.map(([key, { value }]) => [key, shortValue(value)]).sort());
}

/** What all buckets hold now, as the checker wants it. */
export async function readFinals(stage: Stage, history: readonly Happening[]): Promise<Message[]> {
  const stored = new Map<string, Message>();
  for (const happening of history) {
    if (happening.what !== "stored" || happening.place !== "bucket") continue;
    stored.set(`${happening.site} ${happening.bucket} ${happening.sequence}`, happening);
  }
  const finals: Message[] = [];
  for (const { name: site, observer } of stage.sites) {
    for (const { name: bucket } of BUCKETS) {
      for (const [key, { value, revision: sequence, headers }] of await bucketContents(observer.nats, bucket)) {
        const block = headers.size === 0 ? "" : `NATS/1.0\r\n${[...headers].map(([name, text]) => `${name}: ${text}\r\n`).join("")}\r\n`;
        const known = stored.get(`${site} ${bucket} ${sequence}`);
        const { created, timestampNs } = known ?? { created: "", timestampNs: "0" };
        finals.push({ site, bucket, key, created, sequence, timestampNs, block, value: shortValue(value) });
      }
    }
  }
  return finals;
}
