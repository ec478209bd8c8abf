/**
 * Everything that exists in one run: true time, the sites, the network between them, the gateways that live now. Faults
 * act on it; what they begin ends after its time, or when everything heals.
 */
import type { Direction } from "../../memory/connection.js";
import { type VirtualClock, createVirtualClock } from "../../memory/virtual-clock.js";
import { type Draw, createDraw } from "../draw.js";
import type { Delay, Plan } from "../plan.js";
import { type Clients, createClients } from "./clients.js";
import { type ConfigChange, configText } from "./config-text.js";
import { type Life, startLife } from "./life.js";
import type { Link } from "./link.js";
import { type Recorder, createRecorder } from "./recorder.js";
import { type SimSite, createSimSite } from "./site.js";

export interface World {
  readonly clock: VirtualClock;
  readonly plan: Plan;
  readonly draw: Draw;
  readonly recorder: Recorder;
  readonly sites: ReadonlyMap<string, SimSite>;
  readonly clients: ReadonlyMap<string, Clients>;
  nowMs(): number;
  /** The gateway that runs at the site, or null. */
  life(site: string): Life | null;
  /** That one, and any that runs beside it. */
  running(site: string): readonly Life[];
  /** Starts one where none runs. */
  start(site: string): void;
  /** Starts one beside the one that runs; whoever asks for it ends it. */
  startSecond(site: string): Life;
  /** Gives the site's gateway another config, which a later one of it is started with, too. */
  reload(site: string, change: ConfigChange): void;
  /** Nothing gets from the gateway of `from` to the NATS of `to`, or back, until the returned function is called. */
  block(from: string, to: string, directions: readonly Direction[]): () => void;
  /** Calls `end` once: after `ms`, or when everything heals. */
  endAfter(ms: number, end: () => void): void;
  /** No more faults: what was begun ends, and everything runs. */
  heal(): void;
}

interface Block {
  readonly from: string;
  readonly to: string;
  readonly directions: readonly Direction[];
  /** Also of processes that are gone by now: what they had sent is still on its way. */
  readonly links: Link[];
}

const CALM_DELAY: Delay = { minMs: 0, maxMs: 3 };
const STOP_LOOK_MS = 100;
/** Their numbers follow those of the plan's own writes. */
const REACTIONS_FROM = 10_000;
const REACTIONS_MAX = 40;
/** Every process has connections of its own, slow or quick: what a dead one has sent may come after its successor's. */
const SLOWNESS = [0.02, 0.2, 1, 1] as const;
const NO_LAG = { consumerMs: 0, answerMs: 0 } as const;
const NO_LOSS = { requests: 0, answers: 0 } as const;

export function createWorld(plan: Plan): World {
  const { mix, seed, quiet } = plan;
  const clock = createVirtualClock();
  const draw = createDraw(seed);
  const recorder = createRecorder(() => clock.elapsedMs());
  const sites = new Map(mix.sites.map((name) => [name, createSimSite(clock, name, mix, recorder, (bucket, key) => react(name, bucket, key))]));
  const lives = new Map<string, Life>();
  const seconds = new Map<Life, string>();
  const changes = new Map<string, ConfigChange>();
  const blocks = new Set<Block>();
  const ends = new Set<() => void>();
  let healed = false;
  let started = 0;
  let reacted = 0;
  const reacting = draw.fork("reactions");

  const nowMs = () => clock.elapsedMs();
  const isQuiet = () => healed || quiet.some(({ fromMs, toMs }) => nowMs() >= fromMs && nowMs() < toMs);
  const lost = () => (isQuiet() ? NO_LOSS : { requests: mix.lostRequests, answers: mix.lostAnswers });
  const lags = () => (healed ? NO_LAG : { consumerMs: mix.consumerLagMs, answerMs: mix.answerLagMs });
  const delay = (from: string, to: string) => (healed ? CALM_DELAY : from === to ? mix.localDelay : mix.remoteDelay);

  const site = (name: string): SimSite => {
    const found = sites.get(name);
    if (found === undefined) throw new RangeError(`there is no site ${name}`);
    return found;
  };
  const life = (name: string) => {
    const found = lives.get(name);
    return found?.running() === true ? found : null;
  };

  /** An application that watches a key and answers to what it sees. */
  function react(name: string, bucket: string, key: string): void {
    if (healed || mix.reactions === 0 || reacted >= REACTIONS_MAX || !reacting.chance(mix.reactions)) return;
    const op = REACTIONS_FROM + ++reacted;
    const write = { op, atMs: 0, site: name, bucket, key, ttlS: null, condition: "none" } as const;
    const kind = reacting.chance(0.3) ? "delete" : "put";
    clock.schedule(reacting.int(0, reacting.pick([5, 100])), () => {
      if (!healed) clients.get(name)?.write({ ...write, kind, value: kind === "put" ? `${op}@${name}` : "" });
    });
  }

  function start(name: string): void {
    const before = lives.get(name);
    if (before?.running() === true) return;
    // Whoever starts gateways waits for the end of the one before, unless it is gone anyway.
    if (before?.stopping() === true) return void clock.schedule(STOP_LOOK_MS, () => start(name));
    lives.set(name, begin(name));
  }

  function startSecond(name: string): Life {
    const second = begin(name);
    seconds.set(second, name);
    return second;
  }

  const running = (name: string): readonly Life[] => {
    const beside = [...seconds].flatMap(([second, at]) => (at === name && second.running() ? [second] : []));
    return [...(life(name) === null ? [] : [life(name) as Life]), ...beside];
  };

  function begin(name: string): Life {
    const number = ++started;
    const deps = { clock, mix, site: site(name), sites, recorder, number, lost, lags, draw: draw.fork(`life ${number}`) };
    const slowness = draw.fork(`slowness ${number}`).pick(SLOWNESS);
    const delayTo = (to: string): Delay => ({ minMs: 0, maxMs: Math.ceil(delay(name, to).maxMs * slowness) });
    const born = startLife({ ...deps, delayTo }, configText(mix, changes.get(name)));
    for (const block of blocks) if (block.from === name) blockLink(block, born.linkTo(block.to));
    recorder.add({ ...TOLD, site: name, life: number, note: "gateway starts" });
    return born;
  }

  function reload(name: string, change: ConfigChange): void {
    changes.set(name, change);
    recorder.add({ what: "excluding", site: name, keys: change.exclude ?? [] });
    void life(name)?.gateway.reload(configText(mix, change));
  }

  const clients = new Map(
    [...sites].map(([name, each]) => {
      const own = draw.fork(`clients ${name}`);
      const delayMs = () => own.next() * (healed ? 1 : Math.min(200, mix.localDelay.maxMs));
      return [name, createClients({ clock, site: each, draw: own, recorder, delayMs, lost })];
    }),
  );

  return {
    ...{ clock, plan, draw, recorder, sites, clients, nowMs, life, running, start, reload, startSecond },
    block(from, to, directions) {
      const block: Block = { from, to, directions, links: [] };
      blocks.add(block);
      for (const each of running(from)) blockLink(block, each.linkTo(to));
      return () => {
        if (!blocks.delete(block)) return;
        for (const link of block.links) for (const direction of directions) link.unblock(direction);
      };
    },
    endAfter(ms, end) {
      const once = () => {
        if (ends.delete(once)) end();
      };
      ends.add(once);
      clock.schedule(ms, once);
    },
    heal() {
      healed = true;
      for (const end of [...ends]) end();
      // What was to strike at a coming write strikes no more.
      for (const each of lives.values()) each.onWrite = () => null;
      for (const each of sites.values()) [each.skewMs, each.hostSkewMs] = [0, 0];
      for (const [name, change] of changes) if (Object.keys(change).length > 0) reload(name, {});
      for (const name of sites.keys()) start(name);
    },
  };
}

function blockLink({ directions, links }: Block, link: Link): void {
  for (const direction of directions) link.block(direction);
  links.push(link);
}

export const TOLD = { what: "gateway", bucket: null, state: null, code: null } as const;
