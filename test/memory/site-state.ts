/** The site's small durable facts over memory: what is saved is JSON text, and outlives every process. */
import { GatewayError } from "../../src/core/errors.js";
import type { SiteState } from "../../src/core/ports.js";
import type { MemoryConnection } from "./connection.js";

/** @param durable what the server keeps: key to JSON text */
export function createMemorySiteState(connection: MemoryConnection, durable: Map<string, string>): SiteState {
  return {
    load: (key) => unavailable(connection.request(() => parsed(durable.get(key)))),
    save: (key, value) => {
      const text = JSON.stringify(value);
      const saved = new Promise<void>((resolve, reject) => {
        connection.publish(
          { to: "state", key },
          () => void durable.set(key, text),
          (answer) => {
            if (answer === undefined) resolve();
            else reject(answer === "unknown" ? new Error("no answer") : answer);
          },
        );
      });
      return unavailable(saved);
    },
    keys: (prefix) =>
      unavailable(connection.request(() => [...durable.keys()].filter((key) => key.startsWith(`${prefix}.`)))),
  };
}

const parsed = (text: string | undefined): unknown => (text === undefined ? null : JSON.parse(text));

async function unavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const because = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GatewayError("KVGW_STATE_UNAVAILABLE", `state: ${because}; retried`, thrown);
  }
}
