/**
 * Runs once before all tests: every nats-server that the suites ask for is on disk before the first of them starts, so
 * that test files never download beside one another. One after the other, because a shared line gains nothing.
 */
import { findNatsServer, type ServerVersion } from "../../scripts/nats-server.mjs";

/** The default request comes first: it may be met by a server that the user provides, the others by a cached one. */
const NEEDED: readonly (ServerVersion | undefined)[] = [undefined, "2.15", "2.10", "2.9"];

export async function setup(): Promise<void> {
  for (const version of NEEDED) {
    await findNatsServer({ version, log: (line) => void process.stderr.write(`${line}\n`) });
  }
}
