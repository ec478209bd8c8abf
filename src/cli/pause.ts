/**
 * `kvgw pause` and `kvgw resume`: hold one bucket of a running gateway, and let it go again. The gateway answers when it
 * is done. The pause stays over restarts, and a pause in the config stays whatever is asked for here.
 */
import type { Command } from "commander";
import type { PauseOutcome } from "../gateway/status.js";
import { type CommonOptions, GATEWAY_OPTION, JSON_OPTION, gatewayUrl } from "./common-options.js";
import { EXIT } from "./exit-codes.js";
import { createGatewayClient } from "./gateway-client.js";
import { type Terminal, createTerminal } from "./terminal.js";
import { printable } from "./wording.js";

export function addPause(program: Command): void {
  program
    .command("pause")
    .description("stop one bucket in order and keep it so, also after a restart, until kvgw resume")
    .argument("<bucket>", "the bucket")
    .option(...GATEWAY_OPTION)
    .option(...JSON_OPTION)
    .action((bucket: string, options: CommonOptions) => act("pause", bucket, options, createTerminal()));
}

export function addResume(program: Command): void {
  program
    .command("resume")
    .description("let a bucket go on that kvgw pause holds, or that is parked; exit code 1 if the config keeps it paused")
    .argument("<bucket>", "the bucket")
    .option(...GATEWAY_OPTION)
    .option(...JSON_OPTION)
    .action((bucket: string, options: CommonOptions) => act("resume", bucket, options, createTerminal()));
}

async function act(what: "pause" | "resume", bucket: string, options: CommonOptions, terminal: Terminal): Promise<void> {
  const client = createGatewayClient(gatewayUrl(options), process.env["KVGW_TOKEN"]);
  // Something else that answers is told from a gateway by its status.
  await client.status();
  const outcome = await client[what](bucket);
  process.exitCode = what === "resume" && outcome.pausedBy.length > 0 ? EXIT.failed : EXIT.fine;
  if (options.json === true) terminal.printJson(outcome);
  else terminal.print(describeOutcome(outcome));
}

const describeOutcome = ({ bucket, state, message }: PauseOutcome): string => `${bucket} is ${state}: ${printable(message)}`;
