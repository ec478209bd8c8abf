/**
 * One life of one gateway's process: the real gateway, its pipelines and supervisors over memory ports. It ends in an
 * orderly way or by a crash, after which nothing of it happens any more; what it had sent may still arrive.
 */
import type { GatewayEvent } from "../../../src/core/events.js";
import type { SiteId } from "../../../src/core/ids.js";
import type { Clock } from "../../../src/core/ports.js";
import { type Gateway, createGateway } from "../../../src/gateway/gateway.js";
import type { Write, WriteFate } from "../../memory/connection.js";
import type { Draw } from "../draw.js";
import type { Delay, Mix } from "../plan.js";
import { parseConfigText } from "./config-text.js";
import { type Link, createLink } from "./link.js";
import { type SimConnections, leaseOf } from "./ports.js";
import { type ProcessClock, createProcessClock } from "./process-clock.js";
import type { Recorder } from "./recorder.js";
import type { SimSite } from "./site.js";

export interface Life {
  readonly number: number;
  readonly gateway: Gateway;
  readonly clock: ProcessClock;
  linkTo(site: string): Link;
  links(): readonly Link[];
  /** What the next writes of the gateway meet, null where nothing special does. */
  onWrite: (write: Write) => WriteFate | null;
  crash(): void;
  /** Orderly. */
  stop(): Promise<void>;
  running(): boolean;
  /** Asked to stop, and not at its end yet. */
  stopping(): boolean;
}

export interface LifeDeps {
  readonly clock: Clock;
  readonly mix: Mix;
  readonly site: SimSite;
  readonly sites: ReadonlyMap<string, SimSite>;
  readonly draw: Draw;
  readonly number: number;
  readonly recorder: Recorder;
  readonly delayTo: (site: string) => Delay;
  readonly lags: () => { readonly consumerMs: number; readonly answerMs: number };
  readonly lost: () => { readonly requests: number; readonly answers: number };
}

export function startLife(deps: LifeDeps, configText: string): Life {
  const { site, recorder, draw, number } = deps;
  const clock = createProcessClock(deps.clock, () => site.skewMs + site.hostSkewMs);
  const links = new Map([...deps.sites].map(([name, to]) => [name, linkOf(deps, clock, to, (write) => life.onWrite(write))]));
  let phase: "running" | "stopping" | "gone" = "running";
  const linkTo = (name: string): Link => {
    const link = links.get(name);
    if (link === undefined) throw new RangeError(`there is no site ${name}`);
    return link;
  };
  const gateway = createGateway({
    connections: connectionsOf(deps.sites, linkTo),
    clock,
    random: draw.fork("gateway"),
    // What was under way as it was killed says nothing any more.
    observe: (event) => (phase === "gone" ? undefined : tell(recorder, site.name, number, event)),
    version: "simulated",
    configPath: "gateway.yaml",
    parse: (text) => parseConfigText(text, site.name),
    clockOffsetUs: 0,
    holder: deps.mix.lease ? { id: `gateway-${number}`, name: `gateway ${number}` } : null,
  });
  const life: Life = {
    ...{ number, gateway, clock, linkTo },
    links: () => [...links.values()],
    onWrite: () => null,
    crash() {
      if (phase !== "gone") recorder.add({ what: "gone", site: site.name, life: number });
      phase = "gone";
      clock.kill();
      for (const { connection } of links.values()) connection.kill();
    },
    async stop() {
      phase = "stopping";
      await gateway.stop();
      life.crash();
    },
    running: () => phase === "running",
    stopping: () => phase === "stopping",
  };
  void gateway.reload(configText);
  return life;
}

function linkOf(deps: LifeDeps, near: Clock, to: SimSite, onWrite: (write: Write) => WriteFate | null): Link {
  return createLink({
    ...{ clock: deps.clock, near, to, onWrite, lost: deps.lost, lags: deps.lags },
    draw: deps.draw.fork(to.name),
    delay: () => deps.delayTo(to.name),
    arrivesAfterCut: deps.mix.arrivesAfterCut,
    count: (name) => deps.recorder.count(name),
  });
}

function connectionsOf(sites: ReadonlyMap<string, SimSite>, linkTo: (site: string) => Link): SimConnections {
  const siteNamed = (name: string): SimSite => {
    const site = sites.get(name);
    if (site === undefined) throw new RangeError(`there is no site ${name}`);
    return site;
  };
  return {
    connectionTo: (site) => linkTo(site).connection,
    siteNamed,
    lease: ({ id }: { readonly id: SiteId }) => leaseOf(linkTo(id).connection),
    open: () => sites.size,
    close: () => Promise.resolve(),
  };
}

/** What of a gateway's events belongs into the history. */
function tell(recorder: Recorder, site: string, life: number, event: GatewayEvent): void {
  const told = { what: "gateway", site, life, bucket: null, state: null, code: null } as const;
  if (event.type === "bucket-state") {
    const { bucket, state, reason } = event;
    recorder.add({ ...told, bucket, state, code: reason?.code ?? null, note: `${state} ${reason?.message ?? ""}`.trim() });
  } else if (event.type === "bug") {
    recorder.add({ ...told, code: event.reason.code, note: event.reason.message });
  } else if (event.type === "set-aside") {
    recorder.count("operations set aside");
    recorder.add({ ...told, bucket: event.bucket, note: `set aside ${event.setAside.key}: ${event.setAside.detail}` });
  } else if (COUNTED.has(event.type)) {
    recorder.count(`event ${event.type}`);
  }
}

const COUNTED: ReadonlySet<string> = new Set(["log-resumed", "bucket-retry", "checkpoint-reset", "config-rejected", "sharing"]);
