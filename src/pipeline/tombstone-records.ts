/**
 * Remembers in the site's state the tombstones that came from other sites: any client may purge the marks in the bucket, and
 * no event tells of it. Own deletes are in the own log and need no record.
 *
 * Written behind the work, in no order, and durable before a checkpoint passes the operation (I6, I7). Bounded by the number
 * of tombstones; at most so many writes are on their way at once.
 */
import { toGatewayError } from "../core/errors.js";
import { hash128 } from "../core/hash.js";
import { type BucketName, type Key, isKey } from "../core/ids.js";
import { STATE_WRITES_MAX } from "../core/limits.js";
import type { OperationKind } from "../core/operation.js";
import type { SiteState } from "../core/ports.js";
import { type Version, formatVersion, parseVersion } from "../core/version.js";

export interface TombstoneRecords {
  /** Every record of an earlier run; what cannot be read is passed over. KVGW_STATE_UNAVAILABLE. */
  load(onRecord: (key: Key, version: Version, kind: OperationKind) => void): Promise<void>;
  /** The key is a tombstone of this version from now on. */
  note(key: Key, version: Version, kind: OperationKind): void;
  /** Resolves when all that has been noted so far is durable. KVGW_STATE_UNAVAILABLE. */
  durable(): Promise<void>;
  /** Removes the record of a key, if there is one. KVGW_STATE_UNAVAILABLE. */
  remove(key: Key): Promise<void>;
  keys(): Iterable<Key>;
}

interface Deps {
  readonly bucket: BucketName;
  readonly state: SiteState;
  readonly signal: AbortSignal;
}

export function createTombstoneRecords({ bucket, state, signal }: Deps): TombstoneRecords {
  const prefix = `tombstone.${bucket}`;
  const recorded = new Map<Key, Version>();
  const due = new Map<Key, { readonly version: Version; readonly kind: OperationKind }>();
  let writing: Promise<void> | null = null;
  const keyOf = (key: Key) => `${prefix}.${hash128(key)}`;

  async function writeNext(): Promise<void> {
    for (const [key, { version, kind }] of due) {
      if (signal.aborted) return;
      due.delete(key);
      try {
        await state.save(keyOf(key), { key, version: formatVersion(version), kind });
      } catch (thrown) {
        // To be written with the next attempt, unless something newer has come.
        if (!due.has(key)) due.set(key, { version, kind });
        throw toGatewayError(thrown);
      }
      recorded.set(key, version);
    }
  }

  async function write(): Promise<void> {
    const outcomes = await Promise.allSettled(Array.from({ length: STATE_WRITES_MAX }, writeNext));
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  return {
    load: (onRecord) =>
      state.scan(prefix, (_key, value) => {
        const record = parseRecord(value);
        if (record === null) return;
        recorded.set(record.key, record.version);
        onRecord(record.key, record.version, record.kind);
      }),
    note(key, version, kind) {
      const known = recorded.get(key);
      if (known?.ts === version.ts && known.site === version.site) return;
      due.set(key, { version, kind });
    },
    async durable() {
      while (due.size > 0 || writing !== null) {
        writing ??= write().finally(() => (writing = null));
        await writing;
        if (signal.aborted) return;
      }
    },
    async remove(key) {
      due.delete(key);
      if (!recorded.delete(key)) return;
      await state.remove(keyOf(key));
    },
    keys: () => recorded.keys(),
  };
}

const KINDS: readonly unknown[] = ["delete", "purge"] satisfies OperationKind[];

function parseRecord(value: unknown): { readonly key: Key; readonly version: Version; readonly kind: OperationKind } | null {
  if (typeof value !== "object" || value === null) return null;
  const { key, version, kind } = value as Partial<Record<"key" | "version" | "kind", unknown>>;
  const parsed = typeof version === "string" ? parseVersion(version) : null;
  if (typeof key !== "string" || !isKey(key) || parsed === null || !KINDS.includes(kind)) return null;
  return { key, version: parsed, kind: kind as OperationKind };
}
