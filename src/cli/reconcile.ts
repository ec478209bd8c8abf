/**
 * `kvgw reconcile`: has a running gateway compare a bucket with every peer now and take what is missing, and waits until
 * the results are there. Exit code 0 only if every peer is proved equal.
 */
import type { Command } from "commander";
import { formatSeconds } from "../core/age.js";
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketName } from "../core/ids.js";
import { RECONCILE_WAIT_MS } from "../core/limits.js";
import type { BucketStatus, GatewayStatus } from "../gateway/status.js";
import { createSystemClock } from "../system.js";
import { type CommonOptions, GATEWAY_OPTION, JSON_OPTION, gatewayUrl } from "./common-options.js";
import { EXIT } from "./exit-codes.js";
import { type GatewayClient, createGatewayClient } from "./gateway-client.js";
import {
  type Asked,
  type BucketReport,
  type PeerReport,
  type PeerResult,
  isEqual,
  isOver,
  watchRounds,
} from "./reconcile/watch.js";
import { type Terminal, createTerminal, table } from "./terminal.js";
import { count, formatAgo, printable } from "./wording.js";

interface ReconcileOptions extends CommonOptions {
  readonly all?: boolean;
  readonly wait: boolean;
}

export function addReconcile(program: Command): void {
  program
    .command("reconcile")
    .description("compare with every peer now and take what is missing; exit code 0 all proved equal, 1 not")
    .argument("[bucket]", "the bucket")
    .option("--all", "every bucket that is not paused")
    .option("--no-wait", "only ask for it")
    .option(...GATEWAY_OPTION)
    .option(...JSON_OPTION)
    .action((bucket: string | undefined, options: ReconcileOptions) => reconcile(bucket, options, createTerminal()));
}

async function reconcile(bucket: string | undefined, options: ReconcileOptions, terminal: Terminal): Promise<void> {
  const client = createGatewayClient(gatewayUrl(options), process.env["KVGW_TOKEN"]);
  const all = options.all === true;
  if (all === (bucket !== undefined)) throw new GatewayError("KVGW_USAGE", "name one bucket, or give --all");
  const before = await client.status();
  const names = bucket === undefined ? unpaused(before) : [bucket as BucketName];
  const { asked, refused } = await askFor(client, names, before, all);
  if (!options.wait) return tellAsked(asked, refused, options, terminal);
  const onProgress = (reports: readonly BucketReport[]) => terminal.progress(progress(reports));
  const { reports: watched, now } = await watchRounds({ client, clock: createSystemClock(), onProgress }, asked).finally(() =>
    terminal.progress(""),
  );
  const reports = [...watched, ...refused];
  const equal = reports.every(isEqual);
  process.exitCode = equal ? EXIT.fine : EXIT.failed;
  if (options.json === true) terminal.printJson({ equal, advice: adviceFor(reports), buckets: reports });
  else terminal.print(describeReports(reports, terminal, Date.parse(now)));
}

const unpaused = ({ buckets }: GatewayStatus): readonly BucketName[] =>
  Object.entries<BucketStatus>(buckets).flatMap(([name, { state }]) => (state === "paused" ? [] : [name as BucketName]));

interface Requests {
  readonly asked: readonly Asked[];
  readonly refused: readonly BucketReport[];
}

/** @param tolerant whether a bucket that does not run may stand in the report instead of being the end */
async function askFor(
  client: GatewayClient,
  names: readonly BucketName[],
  { buckets }: GatewayStatus,
  tolerant: boolean,
): Promise<Requests> {
  const asked: Asked[] = [];
  const refused: BucketReport[] = [];
  for (const name of names) {
    try {
      asked.push({ request: await client.reconcile(name), before: buckets[name] });
    } catch (thrown) {
      const { code, message } = toGatewayError(thrown);
      if (!tolerant || code !== "KVGW_BUCKET_NOT_RUNNING") throw thrown;
      refused.push({ bucket: name, reason: { code, message }, peers: [] });
    }
  }
  return { asked, refused };
}

function tellAsked(asked: readonly Asked[], refused: readonly BucketReport[], options: ReconcileOptions, terminal: Terminal): void {
  const requests = asked.map(({ request }) => request);
  process.exitCode = refused.length === 0 ? EXIT.fine : EXIT.failed;
  if (options.json === true) return terminal.printJson({ asked: requests, refused });
  const lines = requests.map(({ bucket, peers }) => `asked for a round of ${bucket} with ${peers.join(", ") || "nobody"}`);
  terminal.print([...lines, ...reasonsOf(refused, terminal)].join("\n"));
}

function progress(reports: readonly BucketReport[]): string {
  const results = reports.flatMap(({ peers }) => peers);
  const done = results.filter(({ result }) => result !== "none").length;
  const repaired = results.reduce((sum, peer) => sum + peer.repaired, 0);
  return `${done} of ${count(results.length, "peer")}, ${count(repaired, "key")} repaired`;
}

/** As text: a line per bucket and peer, why where it is wrong, and at last the verdict or what to do. */
export function describeReports(reports: readonly BucketReport[], terminal: Terminal, nowMs: number): string {
  const rows = reports.flatMap(({ bucket, peers }) => peers.map((peer) => row(bucket, peer, terminal, nowMs)));
  const advice = adviceFor(reports);
  const verdict = rows.length === 0 ? "there is nothing to reconcile" : terminal.colour.green("proved equal with every peer");
  const parts = [
    rows.length === 0 ? "" : table(terminal, ["bucket", "peer", "result", "repaired", "last equal"], rows),
    reasonsOf(reports, terminal).join("\n"),
    advice === null ? verdict : terminal.colour.red(advice),
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function row(bucket: BucketName, peer: PeerReport, terminal: Terminal, nowMs: number): string[] {
  const repaired = peer.repaired === 0 ? "0" : count(peer.repaired, "key");
  return [bucket, peer.peer, wording(peer.result, terminal), repaired, formatAgo(peer.lastEqualAt, nowMs)];
}

function wording(result: PeerResult, { colour }: Terminal): string {
  if (result === "equal") return colour.green("equal");
  return result === "none" ? colour.yellow("no result yet") : colour.red(result);
}

function reasonsOf(reports: readonly BucketReport[], { colour }: Terminal): string[] {
  return reports.flatMap(({ bucket, reason, peers }) => [
    ...(reason === null ? [] : [`${colour.bold(bucket)}: ${printable(reason.message)}`]),
    ...peers.flatMap((peer) =>
      peer.reason === null ? [] : [`${colour.bold(`${bucket} with ${peer.peer}`)}: ${peer.reason.code} ${printable(peer.reason.message)}`],
    ),
  ]);
}

/** One line; null where all is proved equal. The gravest comes first. */
function adviceFor(reports: readonly BucketReport[]): string | null {
  const results = new Set(reports.flatMap(({ peers }) => peers.map(({ result }) => result)));
  if (reports.every(isEqual)) return null;
  if (reports.some(({ reason }) => reason !== null)) return "not proved equal: have every bucket run, then reconcile again";
  if (results.has("failed")) return "not proved equal: a round failed; mend what the reason says, then reconcile again";
  if (!reports.every(isOver)) {
    return `not proved equal: no result within ${formatSeconds(RECONCILE_WAIT_MS / 1_000)}; it goes on, kvgw status shows it`;
  }
  return "still different: reconcile at the peer's gateway, too, since each repairs its own site; kvgw verify names the keys";
}
