/**
 * The story that the demo tells, as data: each step does something as an application or an operator would, checks
 * what must come of it, and answers with one sentence. A step that does not hold throws.
 */
import { basename } from "node:path";
import { formatMs } from "../wording.js";
import { compareSites } from "../verify.js";
import type { DemoSite } from "./site.js";
import type { Stage } from "./stage.js";
import { waitFor, waitUntil } from "./wait.js";

export interface Step {
  readonly name: string;
  /** Shown while it goes on. */
  readonly title: string;
  /** Answers what came of it. */
  run(stage: Stage): Promise<string>;
}

/** The bucket of the lab, there from the beginning, and those that one edit adds. */
const FIRST = "config";
const ADDED = ["users", "orders", "flags"] as const;

export const STORY: readonly Step[] = [
  { name: "start", title: "starting two nats-servers and two gateways", run: start },
  { name: "write", title: "writing at site-a", run: write },
  { name: "delete", title: "deleting at site-a", run: remove },
  { name: "cut", title: "cutting site-b off and writing on both sides", run: cut },
  { name: "conflict", title: "writing the same key at both sites while the link is cut", run: conflict },
  { name: "reload", title: "adding three buckets to the YAML", run: reload },
  { name: "refuse", title: "saving a mistake", run: refuse },
  { name: "verify", title: "comparing all keys and values", run: verify },
];

async function start(stage: Stage): Promise<string> {
  await stage.saveBuckets(FIRST);
  await Promise.all(stage.sites.map((site) => site.startServer()));
  await Promise.all(stage.sites.map((site) => site.startGateway()));
  return `two nats-servers (${stage.serverVersion}) and two gateways run, one YAML file for both sites`;
}

async function write(stage: Stage): Promise<string> {
  await stage.a.put(FIRST, "theme", "dark");
  const ms = await seen(stage, stage.b, FIRST, "theme", "dark");
  return `theme=dark, written at site-a, is at site-b after ${formatMs(ms)}`;
}

async function remove(stage: Stage): Promise<string> {
  await stage.b.put(FIRST, "banner", "sale");
  await seen(stage, stage.a, FIRST, "banner", "sale");
  await stage.a.remove(FIRST, "banner");
  const ms = await seen(stage, stage.b, FIRST, "banner", null);
  return `banner, written at site-b and deleted at site-a, is gone at site-b after ${formatMs(ms)}`;
}

/** The lab's partition: the later write wins, whoever comes back when. */
async function cut(stage: Stage): Promise<string> {
  const { a, b } = stage;
  await b.stopServer();
  await a.put(FIRST, "theme", "dark");
  await b.startServer();
  await b.put(FIRST, "theme", "light");
  const ms = await seen(stage, a, FIRST, "theme", "light");
  await seen(stage, b, FIRST, "theme", "light");
  const told = "site-b went down, site-a wrote theme=dark, site-b came back and wrote light";
  return `${told}: both say light after ${formatMs(ms)}`;
}

async function conflict(stage: Stage): Promise<string> {
  const { a, b } = stage;
  await waitUntil(() => caughtUp(a), { what: "site-a has caught up", signal: stage.signal });
  const before = await conflictsAt(a);
  await b.killGateway();
  await a.put(FIRST, "greeting", "hola");
  await b.put(FIRST, "greeting", "bonjour");
  await b.startGateway();
  const counted = async () => (await conflictsAt(a)) > before;
  await waitUntil(counted, { what: "site-a counts the conflict", signal: stage.signal });
  const same = async () => sameValue(await a.get(FIRST, "greeting"), await b.get(FIRST, "greeting"));
  const { value: winner } = await waitFor(same, { what: "both hold the same greeting", signal: stage.signal });
  const what = "hola at site-a, bonjour at site-b, while the gateway of site-b was dead";
  return `${what}: back again, both say ${winner}, and the conflict was counted`;
}

const sameValue = (one: string | null, other: string | null): string | null => (one === other ? one : null);

async function reload(stage: Stage): Promise<string> {
  const before = await Promise.all(stage.sites.map((site) => startedAt(site)));
  await stage.saveBuckets(FIRST, ...ADDED);
  const live = () => allLive(stage, [FIRST, ...ADDED]);
  const ms = await waitUntil(live, { what: "the new buckets are live", signal: stage.signal });
  await stage.a.put(ADDED[0], "ada", "lovelace");
  await seen(stage, stage.b, ADDED[0], "ada", "lovelace");
  await unchanged(stage, before);
  const added = `one edit added ${ADDED.join(", ")}`;
  return `${added}: live at both sites ${formatMs(ms)} after the save, ${FIRST} ran on untouched`;
}

async function refuse(stage: Stage): Promise<string> {
  const before = await Promise.all(stage.sites.map((site) => startedAt(site)));
  await stage.saveBuckets(FIRST, ...ADDED, "Not A Name");
  const errors = () => Promise.all(stage.sites.map(async (site) => (await site.status()).config.lastError));
  const refused = async () => {
    const all = await errors();
    return all.every((error) => error !== null) ? (all[0] ?? null) : null;
  };
  const { value: complaint } = await waitFor(refused, { what: "the mistake is refused", signal: stage.signal });
  const [line = ""] = complaint.split("\n");
  const located = line.startsWith(`${stage.configFile}:`) && /:\d+:\d+ /.test(line);
  if (!located) throw new Error(`it names no line and column: ${line}`);
  await unchanged(stage, before);
  await stage.saveBuckets(FIRST, ...ADDED);
  const mended = async () => (await errors()).every((error) => error === null);
  await waitUntil(mended, { what: "the mended file is taken", signal: stage.signal });
  const shown = line.replace(stage.configFile, basename(stage.configFile));
  return `a mistake in the YAML was refused and changed nothing: ${shown}`;
}

async function verify(stage: Stage): Promise<string> {
  const config = stage.config();
  const { equal, buckets } = await compareSites(config, [...config.buckets.values()], () => undefined);
  const unequal = buckets.filter((bucket) => !bucket.equal).map(({ bucket }) => bucket);
  if (!equal) throw new Error(`the sites differ in ${unequal.join(", ")}`);
  return `kvgw verify: ${buckets.length} buckets, byte for byte equal at both sites`;
}

/** How long a site took to hold a value; null stands for absent. */
function seen({ signal }: Stage, site: DemoSite, bucket: string, key: string, value: string | null): Promise<number> {
  const what = `${key} is ${value ?? "gone"} at ${site.id}`;
  return waitUntil(async () => (await site.get(bucket, key)) === value, { what, signal, everyMs: 1 });
}

async function conflictsAt(site: DemoSite): Promise<number> {
  return bucketStatus(await site.status(), FIRST)?.conflicts ?? 0;
}

async function caughtUp(site: DemoSite): Promise<boolean> {
  const peers = Object.values(bucketStatus(await site.status(), FIRST)?.peers ?? {});
  return peers.length > 0 && peers.every(({ state, lagOperations }) => state === "live" && lagOperations === 0);
}

async function startedAt(site: DemoSite): Promise<string> {
  return bucketStatus(await site.status(), FIRST)?.startedAt ?? "";
}

async function unchanged(stage: Stage, before: readonly string[]): Promise<void> {
  const after = await Promise.all(stage.sites.map((site) => startedAt(site)));
  const same = after.every((time, index) => time === before[index]);
  if (!same) throw new Error(`bucket ${FIRST} was started anew, which it must not be`);
}

async function allLive(stage: Stage, buckets: readonly string[]): Promise<boolean> {
  const statuses = await Promise.all(stage.sites.map((site) => site.status()));
  return statuses.every((status) => buckets.every((bucket) => bucketStatus(status, bucket)?.state === "live"));
}

const bucketStatus = ({ buckets }: Awaited<ReturnType<DemoSite["status"]>>, bucket: string) =>
  Object.entries(buckets).find(([name]) => name === bucket)?.[1];
