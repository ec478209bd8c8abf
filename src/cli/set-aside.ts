/**
 * `kvgw set-aside list|release|drop`: the operations of one bucket that could not be applied or logged, and what a person
 * can do about them once their cause is mended.
 */
import type { Command } from "commander";
import { GatewayError } from "../core/errors.js";
import type { SetAsideChange, SetAsideItem, SetAsideList } from "../gateway/status.js";
import { type CommonOptions, GATEWAY_OPTION, JSON_OPTION, gatewayUrl } from "./common-options.js";
import { EXIT } from "./exit-codes.js";
import { type GatewayClient, createGatewayClient } from "./gateway-client.js";
import { type Terminal, createTerminal, table } from "./terminal.js";
import { count, formatAgo, printable } from "./wording.js";

interface ChangeOptions extends CommonOptions {
  readonly all?: boolean;
  readonly origin?: string;
}

const CHANGES = {
  release: "try again now, whatever the reason was; exit code 1 where that cannot be",
  drop: "forget them; an operation that a peer still has is found again by the next round",
} as const;
type Change = keyof typeof CHANGES;

export function addSetAside(program: Command): void {
  const setAside = program.command("set-aside").description("operations that could not be applied or logged: list, release, drop");
  setAside
    .command("list")
    .description("what is set aside in a bucket, since when and why")
    .argument("<bucket>", "the bucket")
    .option(...GATEWAY_OPTION)
    .option(...JSON_OPTION)
    .action((bucket: string, options: CommonOptions) => list(bucket, options, createTerminal()));
  for (const [what, description] of Object.entries(CHANGES) as [Change, string][]) {
    setAside
      .command(what)
      .description(description)
      .argument("<bucket>", "the bucket")
      .argument("[key]", "the key")
      .option("--all", "every key")
      .option("--origin <site>", "only what this site wrote")
      .option(...GATEWAY_OPTION)
      .option(...JSON_OPTION)
      .action((bucket: string, key: string | undefined, options: ChangeOptions) => change(what, bucket, key, options, createTerminal()));
  }
}

/** Something else that answers is told from a gateway by its status, from which also ages are counted. */
async function connect(options: CommonOptions): Promise<{ readonly client: GatewayClient; readonly nowMs: number }> {
  const client = createGatewayClient(gatewayUrl(options), process.env["KVGW_TOKEN"]);
  const { now } = await client.status();
  return { client, nowMs: Date.parse(now) };
}

async function list(bucket: string, options: CommonOptions, terminal: Terminal): Promise<void> {
  const { client, nowMs } = await connect(options);
  const found = await client.listSetAside(bucket);
  if (options.json === true) terminal.printJson(found);
  else terminal.print(describeList(found, terminal, nowMs));
}

export function describeList({ bucket, count: all, operations }: SetAsideList, terminal: Terminal, nowMs: number): string {
  if (all === 0) return `nothing is set aside in ${bucket}`;
  const head = ["origin", "key", "reason", "since", "version", "detail"];
  const rows = operations.map(({ origin, key, reason, since, versionAt, detail }) => [
    ...[printable(origin), printable(key), reason, formatAgo(since, nowMs), versionAt ?? "unknown", printable(detail)],
  ]);
  const hidden = all - operations.length;
  return [table(terminal, head, rows), ...(hidden > 0 ? [`and ${hidden} more, noted earlier`] : [])].join("\n");
}

async function change(what: Change, bucket: string, key: string | undefined, options: ChangeOptions, terminal: Terminal): Promise<void> {
  if ((options.all === true) === (key !== undefined)) throw new GatewayError("KVGW_USAGE", "name one key, or give --all");
  const { client } = await connect(options);
  const outcome = await client.changeSetAside(bucket, what, { key: key ?? null, origin: options.origin ?? null });
  process.exitCode = outcome.refused.length === 0 ? EXIT.fine : EXIT.failed;
  if (options.json === true) terminal.printJson(outcome);
  else terminal.print(describeChange(what, outcome, terminal));
}

function describeChange(what: Change, { bucket, done, refused }: SetAsideChange, { colour }: Terminal): string {
  const name = ({ key, origin }: SetAsideItem) => `${printable(key)} of ${printable(origin)}`;
  const lines = {
    release: `${count(done.length, "operation")} of ${bucket} tried again; kvgw set-aside list shows what is left`,
    drop: `${count(done.length, "record")} of ${bucket} dropped`,
  };
  return [lines[what], ...refused.map((item) => `${colour.red(name(item))}: ${item.reason}: ${printable(item.message)}`)].join("\n");
}
