/** Gateways of one site finding each other over memory: who is there is known to the server as long as it is connected. */
import { GatewayError } from "../../src/core/errors.js";
import { PRESENCE_ANSWER_MS } from "../../src/core/limits.js";
import type { Clock, Presence } from "../../src/core/ports.js";
import type { MemoryConnection } from "./connection.js";

/** What the server knows: by name, how whoever is called so is asked. */
export type Present = Map<string, { readonly connection: MemoryConnection; readonly onAsked: () => void }>;

export function createMemoryPresence(connection: MemoryConnection, present: Present, clock: Clock): Presence {
  return {
    announce(name, onAsked) {
      present.set(name, { connection, onAsked });
      return () => void present.delete(name);
    },
    async isHere(name) {
      const asking = await connection.request(() => {
        const there = present.get(name);
        // Kept in an object: a promise by itself would be waited for at the server.
        return { answer: there?.connection.connected() === true ? ask(there.connection, there.onAsked) : null };
      });
      if (asking.answer === null) return false;
      await inTime(clock, asking.answer);
      return true;
    },
  };
}

const ask = (connection: MemoryConnection, onAsked: () => void): Promise<void> =>
  new Promise((resolve) => {
    connection.push(() => {
      onAsked();
      resolve();
    });
  });

function inTime(clock: Clock, answer: Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new GatewayError("KVGW_TIMEOUT", "nobody answered in time"));
    const cancel = clock.schedule(PRESENCE_ANSWER_MS, late);
    void answer.then(() => {
      cancel();
      resolve();
    });
  });
}
