/** Applications with plain KV clients: they write at their site whether a gateway runs or not, and may get no answer. */
import type { Clock } from "../../../src/core/ports.js";
import { type MemoryConnection, createMemoryConnection } from "../../memory/connection.js";
import type { PublishAnswer } from "../../memory/stream.js";
import type { Draw } from "../draw.js";
import type { ClientOutcome } from "../history.js";
import type { ClientWrite } from "../plan.js";
import type { Recorder } from "./recorder.js";
import { type SimSite, bucketOf } from "./site.js";

export interface Clients {
  write(write: ClientWrite): void;
  /** As the gateway's own: the server went away, or came back. */
  readonly connection: MemoryConnection;
}

export interface ClientDeps {
  readonly clock: Clock;
  readonly site: SimSite;
  readonly draw: Draw;
  readonly recorder: Recorder;
  readonly delayMs: () => number;
  readonly lost: () => { readonly requests: number; readonly answers: number };
}

export function createClients({ clock, site, draw, recorder, delayMs, lost }: ClientDeps): Clients {
  const connection = createMemoryConnection(clock, {
    delayMs,
    fate: () => (draw.chance(lost().requests) ? "request lost" : draw.chance(lost().answers) ? "answer lost" : "arrives"),
    arrivesAfterCut: () => draw.chance(0.5),
  });
  const reconnect = () => {
    clock.schedule(draw.int(50, 500), () => {
      if (site.up) connection.heal();
      else reconnect();
    });
  };
  connection.onCut(reconnect);

  return {
    connection,
    write(write) {
      const { op, bucket, key, kind, value } = write;
      const stream = bucketOf(site, bucket).bucket;
      const expected = revisionNamed(write, stream.last(key)?.sequence ?? 0);
      recorder.add({ what: "called", op, site: site.name, bucket, key, kind, value, expected });
      recorder.count("client writes");
      if (kind !== "put") recorder.count("client deletes");
      const payload = Buffer.from(value, "latin1");
      // Without the setting a server refuses such a message, and no client sends it.
      const ttlS = stream.options.messageTtl ? write.ttlS : null;
      const block = blockOf({ ...write, ttlS }, expected);
      const work = () => recorder.as(op, () => stream.publish(key, payload, block));
      connection.publish({ to: "bucket", key }, work, (answer) => {
        const { outcome, revision } = outcomeOf(answer);
        recorder.count(`client writes ${outcome}`);
        recorder.add({ what: "answered", op, outcome, revision });
      });
    },
  };
}

function revisionNamed({ condition }: ClientWrite, current: number): number | null {
  switch (condition) {
    case "none":
      return null;
    case "create":
      return 0;
    case "current":
      return current;
    case "stale":
      return Math.max(0, current - 1);
  }
}

function blockOf({ kind, ttlS }: ClientWrite, expected: number | null): string {
  let lines = "";
  if (kind === "delete") lines += "KV-Operation: DEL\r\n";
  if (kind === "purge") lines += "KV-Operation: PURGE\r\nNats-Rollup: sub\r\n";
  if (ttlS !== null) lines += `Nats-TTL: ${ttlS}s\r\n`;
  if (expected !== null) lines += `Nats-Expected-Last-Subject-Sequence: ${expected}\r\n`;
  return lines === "" ? "" : `NATS/1.0\r\n${lines}\r\n`;
}

function outcomeOf(answer: PublishAnswer | Error | "unknown"): { readonly outcome: ClientOutcome; readonly revision: number } {
  if (answer === "unknown") return { outcome: "unknown", revision: 0 };
  if (answer instanceof Error) return { outcome: "failed", revision: 0 };
  if (answer.kind === "stored") return { outcome: "acknowledged", revision: answer.sequence };
  return { outcome: "refused", revision: 0 };
}
