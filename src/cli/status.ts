/** `kvgw status`: what a running gateway says of itself, for people. Exit code 0 whenever it could be asked. */
import type { Command } from "commander";
import { formatSeconds } from "../core/age.js";
import type { BucketState, PeerState, Reason } from "../core/events.js";
import type { BucketStatus, GatewayStatus, LeaseStatus, PausedBy, PeerStatus } from "../gateway/status.js";
import { type CommonOptions, GATEWAY_OPTION, JSON_OPTION, gatewayUrl } from "./common-options.js";
import { createGatewayClient } from "./gateway-client.js";
import { type Terminal, createTerminal, table } from "./terminal.js";
import { count, formatAgo, printable } from "./wording.js";

export function addStatus(program: Command): void {
  program
    .command("status")
    .description("show buckets, peers and lag of a running gateway (token: KVGW_TOKEN)")
    .option(...GATEWAY_OPTION)
    .option(...JSON_OPTION)
    .action((options: CommonOptions) => showStatus(options, createTerminal()));
}

async function showStatus(options: CommonOptions, terminal: Terminal): Promise<void> {
  const status = await createGatewayClient(gatewayUrl(options), process.env["KVGW_TOKEN"]).status();
  if (options.json === true) terminal.printJson(status);
  else terminal.print(describeStatus(status, terminal, Date.parse(status.now)));
}

/** As text: who and what, one line per bucket, one per peer of each, and what is wrong in full sentences. */
export function describeStatus(status: GatewayStatus, terminal: Terminal, nowMs: number): string {
  const buckets = Object.entries<BucketStatus>(status.buckets);
  // What another gateway of the site works is told by that one.
  const own = buckets.filter(([, { lease }]) => lease === null || lease.due || lease.held);
  const peers = own.flatMap(([bucket, { peers }]) =>
    Object.entries<PeerStatus>(peers).map(([peer, peerStatus]) => ({ bucket, peer, ...peerStatus })),
  );
  const parts = [
    header(status, terminal, nowMs),
    buckets.length === 0 ? "no buckets run here" : bucketTable(buckets, terminal),
    peers.length === 0 ? "" : peerTable(peers, terminal, nowMs),
    reasons(own, peers, terminal),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function header(status: GatewayStatus, { colour }: Terminal, nowMs: number): string {
  const { config, notReady } = status;
  const standby = status.role === "standby" ? `${colour.yellow("standby")}, ` : "";
  const ready = status.ready ? colour.green("ready") : colour.yellow("not ready");
  const site = status.site === "" ? "no site yet" : status.site;
  return [
    `${colour.bold(site)}  kvgw ${status.version}  ${standby}${ready}  up since ${formatAgo(status.startedAt, nowMs)}`,
    ...notReady.map((sentence) => `  ${colour.yellow("missing:")} ${printable(sentence)}`),
    `config  ${printable(config.path)}  ${config.hash || "none"}  loaded ${formatAgo(config.loadedAt, nowMs)}`,
    status.members === null ? leaseLine(status.lease) : sharingLine(status.members, status.lease),
    ...(config.lastError === null ? [] : [colour.red("the last change was refused:"), ...indented(config.lastError)]),
  ].join("\n");
}

function leaseLine(lease: LeaseStatus | null): string {
  if (lease === null) return "lease   none: this gateway works whatever another one of its site does";
  const { held, holder, since, reason } = lease;
  const who = held ? "held" : holder === null ? "not held" : `held by ${printable(holder)}`;
  const when = since === null || holder === null ? "" : ` since ${printable(since)}`;
  return `lease   ${who}${when}${reason === null ? "" : `: ${reason.code} ${printable(reason.message)}`}`;
}

function sharingLine(members: readonly string[], lease: LeaseStatus | null): string {
  const reason = lease?.reason ?? null;
  const who = members.length === 0 ? "not known yet who works" : `shared by ${members.map(printable).join(", ")}`;
  return `lease   ${who}${reason === null ? "" : `: ${reason.code} ${printable(reason.message)}`}`;
}

const indented = (text: string): string[] => text.split("\n").map((line) => `  ${printable(line)}`);

type BucketLine = readonly [name: string, status: BucketStatus];

function bucketTable(buckets: readonly BucketLine[], terminal: Terminal): string {
  const areShared = buckets.some(([, { lease }]) => lease !== null);
  const head = ["bucket", "state", "keys", "tombstones", "conflicts", "set aside", ...(areShared ? ["worked by"] : [])];
  return table(terminal, head, buckets.map((line) => bucketRow(line, terminal)));
}

function bucketRow([name, { state, lease, keys, tombstones, conflicts, setAside }]: BucketLine, terminal: Terminal): string[] {
  if (lease?.due === false && !lease.held) return [name, "elsewhere", "", "", "", "", printable(lease.holder ?? "not known")];
  return [
    name,
    colouredState(state, terminal),
    ...[keys, tombstones, conflicts].map(String),
    setAside === 0 ? "0" : terminal.colour.red(String(setAside)),
    ...(lease === null ? [] : [lease.held ? "this one" : printable(lease.holder ?? "nobody yet")]),
  ];
}

interface PeerLine extends PeerStatus {
  readonly bucket: string;
  readonly peer: string;
}

function peerTable(peers: readonly PeerLine[], terminal: Terminal, nowMs: number): string {
  const head = ["bucket", "peer", "state", "lag", "checkpoint", "last equal"];
  const rows = peers.map((peer) => [
    peer.bucket,
    peer.peer,
    colouredState(peer.state, terminal),
    lag(peer, terminal),
    String(peer.checkpoint),
    lastEqual(peer, terminal, nowMs),
  ]);
  return table(terminal, head, rows);
}

function lag({ lagOperations, lagSeconds }: PeerStatus, { colour }: Terminal): string {
  const text = `${count(lagOperations, "operation")}, ${formatSeconds(lagSeconds)}`;
  return lagOperations === 0 && lagSeconds === 0 ? text : colour.yellow(text);
}

function lastEqual({ lastEqualAt, reconcile }: PeerStatus, { colour }: Terminal, nowMs: number): string {
  const age = formatAgo(lastEqualAt, nowMs);
  return lastEqualAt === null || reconcile.reason !== null ? colour.yellow(age) : age;
}

function colouredState(state: BucketState | PeerState, { colour }: Terminal): string {
  if (state === "live") return colour.green(state);
  return state === "degraded" || state === "parked" ? colour.red(state) : colour.yellow(state);
}

function reasons(buckets: readonly BucketLine[], peers: readonly PeerLine[], { colour }: Terminal): string {
  const pause = (bucket: string, by: readonly PausedBy[]) =>
    by.length === 0 ? [] : [`${colour.bold(bucket)}: ${pauseSentence(bucket, by)}`];
  const sentence = (where: string, reason: Reason | null) =>
    reason === null ? [] : [`${colour.bold(where)}: ${reason.code} ${printable(reason.message)}`];
  return [
    ...buckets.flatMap(([name, { reason }]) => sentence(name, reason)),
    ...buckets.flatMap(([name, { pausedBy }]) => pause(name, pausedBy)),
    ...peers.flatMap(({ bucket, peer, reason }) => sentence(`${bucket} from ${peer}`, reason)),
    ...peers.flatMap(({ bucket, peer, reconcile }) => sentence(`${bucket} reconciled with ${peer}`, reconcile.reason)),
  ].join("\n");
}

const pauseSentence = (bucket: string, by: readonly PausedBy[]): string =>
  by.includes("config") ? "paused by the config" : `paused on request; kvgw resume ${bucket} ends it`;
