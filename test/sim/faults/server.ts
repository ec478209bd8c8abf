/** Faults of the NATS servers and of the clocks. */
import { drawSkew, expires, sweepsSoon } from "../draw-mix.js";
import { createDraw } from "../draw.js";
import { bucketOf } from "../world/site.js";
import type { World } from "../world/world.js";
import { FAULT, type FaultKind } from "./fault.js";

/** All connections break, consumers are gone; what was on its way to it is lost. What it stored it keeps. */
function stopServer(world: World, name: string): (() => void) | null {
  const site = world.sites.get(name);
  if (site?.up !== true) return null;
  site.up = false;
  const links = [...world.sites.keys()].flatMap((from) => world.running(from).map((life) => life.linkTo(name).connection));
  const connections = [...links, world.clients.get(name)?.connection].filter((connection) => connection !== undefined);
  for (const connection of connections) {
    connection.forget();
    connection.cut();
  }
  for (const { bucket, log } of site.buckets.values()) {
    bucket.dropConsumers();
    log.dropConsumers();
  }
  return () => {
    site.up = true;
  };
}

export const SERVER_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "server restart",
    lastsMs: [50, 10_000],
    strike(world, { site, lastsMs }) {
      const start = stopServer(world, site);
      if (start === null) return null;
      world.endAfter(lastsMs, start);
      return `server of ${site} is away for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "consumers lost",
    onBucket: true,
    strike(world, { site, bucket, choice }) {
      const streams = world.sites.get(site)?.buckets.get(bucket);
      if (streams === undefined) return null;
      const place = choice < 0.5 ? "bucket" : "log";
      streams[place].dropConsumers();
      return `of the ${place} ${bucket} at ${site}`;
    },
  },
  {
    ...FAULT,
    name: "clock steps",
    blinds: false,
    atMost: 4,
    strike(world, { site: name, choice }) {
      const site = world.sites.get(name);
      if (site === undefined) return null;
      const draw = createDraw(Math.floor(choice * 2 ** 32));
      const skewMs = drawSkew(draw, expires(world.plan.mix), !sweepsSoon(world.plan.mix));
      const host = draw.chance(0.2);
      if (host) site.hostSkewMs = Math.sign(skewMs) * Math.min(Math.abs(skewMs), 60_000);
      else site.skewMs = skewMs;
      return `${host ? "only the gateway's host" : "everything"} at ${name} is now wrong by ${skewMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "clock far in the future",
    atMost: 1,
    lastsMs: [500, 20_000],
    amount: [1, 3_650],
    strike(world, { site: name, amount, lastsMs }) {
      const site = world.sites.get(name);
      if (site === undefined) return null;
      site.skewMs = amount * 86_400_000;
      world.endAfter(lastsMs, () => void (site.skewMs = 0));
      return `${name} is ${amount} days ahead for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "bucket full",
    onBucket: true,
    lastsMs: [500, 30_000],
    strike(world, { site, bucket, lastsMs }) {
      const stream = world.sites.get(site)?.buckets.get(bucket)?.bucket;
      if (stream === undefined || stream.full) return null;
      stream.full = true;
      world.endAfter(lastsMs, () => void (stream.full = false));
      return `${bucket} at ${site} takes no new keys for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "log full",
    onBucket: true,
    lastsMs: [500, 30_000],
    strike(world, { site, bucket, lastsMs }) {
      const stream = world.sites.get(site)?.buckets.get(bucket)?.log;
      if (stream === undefined || stream.full) return null;
      stream.full = true;
      world.endAfter(lastsMs, () => void (stream.full = false));
      return `the log of ${bucket} at ${site} takes no new keys for ${lastsMs} ms`;
    },
  },
  {
    ...FAULT,
    name: "server takes no writes",
    atMost: 2,
    lastsMs: [500, 20_000],
    strike(world, { site: name, lastsMs, choice }) {
      const site = world.sites.get(name);
      if (site === undefined || site.refusing !== null) return null;
      site.refusing = choice < 0.5 ? "KVGW_BUCKET_FULL" : "KVGW_DENIED";
      world.endAfter(lastsMs, () => void (site.refusing = null));
      return `server of ${name} refuses the gateways' writes for ${lastsMs} ms`;
    },
  },
];

/** What somebody else may put into a log: unreadable in every way that there is. */
const POISON: readonly string[] = [
  "",
  "NATS/1.0\r\nKvgw-Version: yesterday\r\n\r\n",
  "NATS/1.0\r\nKvgw-Version: 1700000000000000 nobody\r\n\r\n",
  "NATS/1.0\r\nKvgw-Version: 99999999999999999999 a\r\n\r\n",
];

export const POISON_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "poison in a log",
    blinds: false,
    onBucket: true,
    strike(world, { site, bucket, choice }) {
      const log = world.sites.get(site)?.buckets.get(bucket)?.log;
      const block = POISON[Math.floor(choice * POISON.length)] ?? "";
      if (log?.exists() !== true) return null;
      // Under a key of its own: a log keeps one operation per key, and lost ones wait for reconcile.
      world.recorder.as(SOMEBODY, () => log.publish("poison", new Uint8Array([1, 2, 3]), block));
      return `${JSON.stringify(block)} in the log of ${bucket} at ${site}`;
    },
  },
];

/** A write that is no application's. */
const SOMEBODY = 0;

/** A client clears its delete markers away, as `purgeDeletes` does: no event tells of it. Only those that the own log
 *  knows; after others equality waits for reconcile. */
export const MARKER_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "markers purged by a client",
    onBucket: true,
    strike(world, { site: name, bucket }) {
      const site = world.sites.get(name);
      if (site?.buckets.has(bucket) !== true) return null;
      const { bucket: stream, log } = bucketOf(site, bucket);
      const markers = [...stream.messages()].filter(({ subject, sequence, block }) => {
        if (stream.last(subject)?.sequence !== sequence || block.includes("Kvgw-Version")) return false;
        return block.includes("KV-Operation") && log.last(subject)?.block.includes(` ${sequence} `) === true;
      });
      for (const { subject, sequence } of markers) stream.purge(subject, sequence);
      return markers.length === 0 ? null : `${markers.length} in ${bucket} at ${name}`;
    },
  },
];
