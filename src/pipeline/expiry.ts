/**
 * Ends what has passed its deadline: once a second the replica's overdue values become tombstones of the same version. That
 * writes nothing; in the bucket the entry is ended by its server.
 *
 * Where the server alone does not make the value go, the gateway writes that tombstone into the bucket as a delete:
 *  - an applied value at a server or in a bucket without per-message TTL stays there for good, or for another `max_age`;
 *  - with history above 1 the end of an entry, of which no marker tells, uncovers the older revision; and where markers
 *    are on, the server lets an entry live as long as a marker at least.
 * It looks into the bucket first, a grace after the deadline, and writes only where it finds the value, or an older write:
 * what the server has ended by itself is left alone (I13), and a local write is never ended before its own server does it.
 * Nothing of this is logged: an expiry is not a write (I4).
 */
import type { Key, SiteId } from "../core/ids.js";
import { createDeadlines } from "../core/deadlines.js";
import {
  EXPIRY_GRACE_MS,
  EXPIRY_INTERVAL_MS,
  EXPIRY_KEYS_AT_ONCE,
  EXPIRY_LOOKS_AT_ONCE_MAX,
  EXPIRY_LOOK_AGAIN_MS,
  SLICE_MS,
} from "../core/limits.js";
import { type Entry, isTombstone, tombstoneOf } from "../core/operation.js";
import type { BucketInfo, BucketStore, Clock } from "../core/ports.js";
import type { Known, Replica } from "../core/replica.js";
import type { Applier } from "./apply.js";
import { wait } from "./retry.js";

export interface ExpiryDeps {
  readonly site: SiteId;
  readonly info: Pick<BucketInfo, "history" | "messageTtl" | "maxAgeUs">;
  readonly replica: Replica;
  readonly store: Pick<BucketStore, "read">;
  readonly applier: Pick<Applier, "bury" | "isBusy">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Expiry {
  /** Until the signal says stop. Never rejects: what fails is tried again. */
  run(): Promise<void>;
}

export function createExpiry({ site, info, replica, store, applier, clock, signal }: ExpiryDeps): Expiry {
  const { history, messageTtl, maxAgeUs } = info;
  // By the time that does not step: when the bucket is to be looked into.
  const looks = createDeadlines();
  // Where the server ends nothing there is nothing to wait for.
  const graceMs = messageTtl || maxAgeUs > 0 ? EXPIRY_GRACE_MS : 0;
  let looking = false;

  /** Whether the value may still be read once its server is done with it. By `max_age` older revisions go first. */
  const mayStay = (key: Key): boolean => (messageTtl ? history > 1 : replica.get(key)?.version.site !== site);

  async function endDue(): Promise<void> {
    let beganMs = clock.elapsedMs();
    while (!signal.aborted) {
      const keys = replica.endDue(clock.nowMs() * 1_000, EXPIRY_KEYS_AT_ONCE);
      for (const key of keys) if (mayStay(key)) looks.set(key, clock.elapsedMs() + graceMs);
      if (keys.length < EXPIRY_KEYS_AT_ONCE) return;
      if (clock.elapsedMs() - beganMs < SLICE_MS) continue;
      await new Promise<void>((resolve) => clock.schedule(0, resolve));
      beganMs = clock.elapsedMs();
    }
  }

  async function lookAtDue(): Promise<void> {
    for (;;) {
      const keys = looks.take(clock.elapsedMs(), EXPIRY_LOOKS_AT_ONCE_MAX);
      if (keys.length === 0 || signal.aborted) return;
      await Promise.all(keys.map(lookAt));
    }
  }

  const lookAgain = (key: Key) => looks.set(key, clock.elapsedMs() + EXPIRY_LOOK_AGAIN_MS);

  async function lookAt(key: Key): Promise<void> {
    const asked = replica.revision(key);
    const entry = await store.read(key).catch(() => undefined);
    const known = replica.get(key);
    // Written anew, or swept.
    if (signal.aborted || known === undefined || !isTombstone(known)) return;
    // What has come meanwhile is not what was read.
    if (entry === undefined || applier.isBusy(key) || replica.revision(key) !== asked) return lookAgain(key);
    const found = whatStands(entry, known);
    if (found === "its end") return;
    if (found === "ending") return lookAgain(key);
    await applier.bury(tombstoneOf(key, known, known.base));
  }

  return {
    async run() {
      while (!signal.aborted) {
        await wait(clock, EXPIRY_INTERVAL_MS, signal);
        await endDue();
        if (looking || signal.aborted) continue;
        looking = true;
        void lookAtDue().finally(() => (looking = false));
      }
    },
  };
}

/** What the bucket has of a key that is known as a tombstone; its end, too, where the tail is about to bring something. */
function whatStands(entry: Entry | null, { revision }: Known): "its end" | "ending" | "left over" {
  if (entry === null || entry.kind === "expired" || entry.revision > revision) return "its end";
  if (entry.revision < revision) return "left over";
  if (entry.kind !== "put") return "its end";
  return entry.version === null ? "ending" : "left over";
}
