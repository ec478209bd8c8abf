/** The site's small durable facts over memory: what is saved is JSON text, and outlives every process. */
import { GatewayError } from "../../src/core/errors.js";
import type { SiteState } from "../../src/core/ports.js";
import type { MemoryConnection } from "./connection.js";

/** Of every server's records: the revision that each was saved as, kept as long as the record itself. */
const REVISIONS = new WeakMap<Map<string, string>, Map<string, number>>();

/** @param durable what the server keeps: key to JSON text */
export function createMemorySiteState(connection: MemoryConnection, durable: Map<string, string>): SiteState {
  const revisions = REVISIONS.get(durable) ?? new Map<string, number>();
  REVISIONS.set(durable, revisions);
  // What a test has put there by hand is a record, too.
  const revisionOf = (key: string): number => (durable.has(key) ? (revisions.get(key) ?? 1) : 0);

  function write<T>(key: string, work: () => T): Promise<T> {
    const written = new Promise<T>((resolve, reject) => {
      connection.publish({ to: "state", key }, work, (answer) => {
        if (answer === "unknown") reject(new Error("no answer"));
        else if (answer instanceof GatewayError) reject(answer);
        else resolve(answer);
      });
    });
    return unavailable(written);
  }

  const below = (prefix: string) => [...durable].filter(([key]) => key.startsWith(`${prefix}.`));

  return {
    raise: (replicas) => unavailable(connection.request(() => replicas)),
    load: (key) => unavailable(connection.request(() => ({ value: parsed(durable.get(key)), revision: revisionOf(key) }))),
    save: async (key, value, expected) => {
      const text = JSON.stringify(value);
      const saved = await write(key, () => {
        if (expected !== undefined && revisionOf(key) !== expected) return 0;
        const revision = (revisions.get(STREAM) ?? 0) + 1;
        revisions.set(STREAM, revision).set(key, revision);
        durable.set(key, text);
        return revision;
      });
      if (saved === 0) throw new GatewayError("KVGW_STATE_CHANGED", "state: somebody else wrote the record");
      return saved;
    },
    remove: (key) => write(key, () => void durable.delete(key)),
    keys: (prefix) => unavailable(connection.request(() => below(prefix).map(([key]) => key))),
    scan: async (prefix, onRecord) => {
      const records = await unavailable(connection.request(() => below(prefix)));
      for (const [key, text] of records) onRecord(key, parsed(text));
    },
  };
}

/** Where the last revision of all stands: no key has this form. */
const STREAM = "";

const parsed = (text: string | undefined): unknown => (text === undefined ? null : JSON.parse(text));

async function unavailable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    const because = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GatewayError("KVGW_STATE_UNAVAILABLE", `state: ${because}; retried`, thrown);
  }
}
