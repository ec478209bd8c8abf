#!/usr/bin/env node
/** The command `kvgw`: parses the arguments, runs one command, turns failure into one line and an exit code. */
import { Command, CommanderError } from "commander";
import { programVersion } from "./cli/common-options.js";
import { EXIT, exitCodeOf } from "./cli/exit-codes.js";
import { addDemo } from "./cli/demo.js";
import { addPause, addResume } from "./cli/pause.js";
import { addPlan } from "./cli/plan.js";
import { addReconcile } from "./cli/reconcile.js";
import { addRun } from "./cli/run.js";
import { addSetAside } from "./cli/set-aside.js";
import { addStatus } from "./cli/status.js";
import { addValidate } from "./cli/validate.js";
import { addVerify } from "./cli/verify.js";
import { toGatewayError } from "./core/errors.js";

const program = new Command("kvgw")
  .description("Active-active replication of NATS JetStream KV buckets between sites")
  .version(programVersion())
  .showHelpAfterError("(kvgw --help lists the commands)")
  .exitOverride();
const COMMANDS = [addRun, addValidate, addPlan, addStatus, addVerify, addReconcile, addPause, addResume, addSetAside, addDemo];
for (const add of COMMANDS) add(program);
for (const command of program.commands.flatMap((each) => [each, ...each.commands])) {
  command.exitOverride().copyInheritedSettings(program);
}

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) {
    process.exitCode = thrown.exitCode === 0 ? EXIT.fine : EXIT.usage;
  } else {
    const error = toGatewayError(thrown);
    process.stderr.write(`${error.code} ${error.message}\n`);
    process.exitCode = exitCodeOf(error.code);
  }
}
