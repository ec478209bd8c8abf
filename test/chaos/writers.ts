/**
 * Applications: plain JetStream clients of one site that write at a steady rate, whatever else goes on, and note what
 * became of every write. They know nothing of gateways. The same keys are written at every site, the first ones most.
 */
import { JetStreamApiError, type JetStreamClient, jetstream } from "@nats-io/jetstream";
import { type MsgHdrs, type NatsConnection, errors, headers } from "@nats-io/transport-node";
import { setTimeout as sleep } from "node:timers/promises";
import { connectTo } from "../support/clients.js";
import type { Draw } from "../sim/draw.js";
import type { ClientOutcome, WriteKind } from "../sim/history.js";
import { BUCKETS, type BucketName } from "./config-text.js";
import { OP_HEADER } from "./observer.js";
import { type Record, shortValue } from "./record.js";

export interface Load {
  readonly writesPerSecond: number;
  readonly keys: number;
}

export interface Writers {
  resume(): void;
  /** Returns when every write has its answer, or will never have one. */
  pause(): Promise<void>;
  /** Writes by their outcome. */
  counts(): Readonly<globalThis.Record<ClientOutcome, number>>;
  deletes(): number;
  close(): Promise<void>;
}

export interface WriterDeps {
  readonly site: string;
  readonly url: string;
  readonly draw: Draw;
  readonly record: Record;
  readonly load: Load;
  /** Numbers of writes are unique over all sites. */
  readonly nextOp: () => number;
}

const TICK_MS = 20;
const ANSWER_WITHIN_MS = 5_000;
/** An application does not queue without end either. */
const UNDER_WAY_MAX = 300;
const DELETES = 0.3;
/** Of the deletes; a purge takes the key's older revisions with it. */
const PURGES = 0.15;
/** Updates that name the revision that they replace. */
const CONDITIONAL = 0.1;
const LARGEST_BYTES = 1024 * 1024;

interface Write {
  readonly op: number;
  readonly bucket: BucketName;
  readonly key: string;
  readonly kind: WriteKind;
  readonly value: Buffer;
  readonly expected: number | null;
}

export async function createWriters(deps: WriterDeps): Promise<Writers> {
  const { site, draw, record, load } = deps;
  const nats = await connectTo(deps.url, { waitOnFirstConnect: true, pingInterval: 3_000, maxPingOut: 2, name: `application at ${site}` });
  const js = jetstream(nats, { timeout: ANSWER_WITHIN_MS });
  const revisions = new Map<string, number>();
  const counts = { acknowledged: 0, refused: 0, failed: 0, unknown: 0 };
  let deletes = 0;
  let due = 0;
  let running = false;
  const underWay = new Set<Promise<void>>();
  let connected = true;
  void follow(nats, (up) => void (connected = up));

  const timer = setInterval(() => {
    if (!running || !connected) return;
    due = Math.min(due + (load.writesPerSecond * TICK_MS) / 1_000, UNDER_WAY_MAX);
    for (; due >= 1; due--) if (underWay.size < UNDER_WAY_MAX) begin(drawWrite());
  }, TICK_MS);

  function drawWrite(): Write {
    const { name: bucket } = draw.pick(BUCKETS);
    const key = `k.${Math.floor(draw.next() ** 2 * load.keys)}`;
    const op = deps.nextOp();
    const kind = draw.chance(DELETES) ? (draw.chance(PURGES) ? "purge" : "delete") : "put";
    const known = revisions.get(`${bucket} ${key}`);
    const expected = draw.chance(CONDITIONAL) ? (known ?? 0) : null;
    return { op, bucket, key, kind, value: kind === "put" ? drawValue(draw, op) : Buffer.alloc(0), expected };
  }

  function begin(write: Write): void {
    const { op, bucket, key, kind, value, expected } = write;
    if (kind !== "put") deletes++;
    record.add({ what: "called", op, site, bucket, key, kind, value: shortValue(value), expected });
    const answered = send(js, write).then(({ outcome, revision }) => {
      counts[outcome]++;
      if (revision > 0) revisions.set(`${bucket} ${key}`, revision);
      record.add({ what: "answered", op, outcome, revision });
      underWay.delete(answered);
    });
    underWay.add(answered);
  }

  return {
    resume: () => void (running = true),
    async pause() {
      running = false;
      due = 0;
      await Promise.all(underWay);
    },
    counts: () => ({ ...counts }),
    deletes: () => deletes,
    async close() {
      clearInterval(timer);
      running = false;
      await Promise.race([nats.close(), sleep(2_000, undefined, { ref: false })]).catch(() => undefined);
    },
  };
}

async function follow(nats: NatsConnection, onChange: (up: boolean) => void): Promise<void> {
  for await (const { type } of nats.status()) {
    if (type === "disconnect") onChange(false);
    if (type === "reconnect") onChange(true);
  }
}

/** Mostly small, sometimes nothing, now and then up to 1 MiB. */
function drawValue(draw: Draw, op: number): Buffer {
  const size = draw.next();
  if (size < 0.05) return Buffer.alloc(0);
  const mark = `op ${op} `;
  if (size < 0.8) return Buffer.from(mark.padEnd(draw.int(16, 256), "."));
  const largest = size < 0.97 ? 8 * 1024 : size < 0.999 ? 64 * 1024 : LARGEST_BYTES;
  return Buffer.alloc(draw.int(256, largest), mark);
}

async function send(js: JetStreamClient, { op, bucket, key, kind, value, expected }: Write): Promise<Outcome> {
  let lines: MsgHdrs | null = null;
  const set = (name: string, text: string) => (lines ??= headers()).set(name, text);
  if (value.length === 0) set(OP_HEADER, String(op));
  if (kind !== "put") set("KV-Operation", kind === "delete" ? "DEL" : "PURGE");
  if (kind === "purge") set("Nats-Rollup", "sub");
  if (expected !== null) set("Nats-Expected-Last-Subject-Sequence", String(expected));
  try {
    const { seq } = await js.publish(`$KV.${bucket}.${key}`, value, lines === null ? {} : { headers: lines });
    return { outcome: "acknowledged", revision: seq };
  } catch (thrown) {
    return { outcome: outcomeOf(thrown), revision: 0 };
  }
}

interface Outcome {
  readonly outcome: ClientOutcome;
  readonly revision: number;
}

/** Only what certainly never landed counts as failed. */
function outcomeOf(thrown: unknown): ClientOutcome {
  if (thrown instanceof JetStreamApiError) return "refused";
  const text = thrown instanceof Error ? `${thrown.name} ${thrown.message}` : "";
  if (thrown instanceof errors.ClosedConnectionError || /no responders/i.test(text)) return "failed";
  return "unknown";
}
