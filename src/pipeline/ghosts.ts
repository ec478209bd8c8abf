/**
 * Values that were deleted everywhere while this site was away: kept in the site's state and taken out of bucket and log,
 * first the one, durably, then the other, so that nothing is lost in between. In parts, since a value may be as large as a
 * message. A ghost comes back only by a person's word, and then as a new local write, which every site takes.
 */
import { hash128 } from "../core/hash.js";
import { type BucketName, type Key, isKey } from "../core/ids.js";
import { GHOST_PART_BYTES } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { BucketStore, SetAside, SetAsideRecord, SiteState, WriteOutcome } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { Appender } from "./append.js";
import type { SetAsideStore } from "./set-aside.js";

export interface Ghosts {
  /** False if something came after it. KVGW_STATE_UNAVAILABLE, KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
  setAside(key: Key): Promise<boolean>;
  /** The same of a value that only the own log has. */
  setLoggedAside(operation: Operation, at: SetAside["at"]): Promise<void>;
  /** Writes the value again, where the key has none; null when that is done, else why it is not. KVGW_STATE_UNAVAILABLE. */
  bringBack(record: SetAsideRecord): Promise<string | null>;
  /** Forgets the value. KVGW_STATE_UNAVAILABLE. */
  forget(record: SetAsideRecord): Promise<void>;
}

export interface GhostDeps {
  readonly bucket: BucketName;
  readonly bucketCreated: string;
  readonly store: Pick<BucketStore, "read" | "write" | "forget">;
  readonly state: SiteState;
  readonly replica: Replica;
  readonly appender: Pick<Appender, "forget">;
  readonly setAsides: Pick<SetAsideStore, "put">;
}

/** A ghost is told by its key and by who wrote it: the newest of each is kept. */
type Name = Pick<SetAside, "key" | "origin">;

/** Where the parts of a ghost's value stand in the state. */
const partKey = (bucket: BucketName, { key, origin }: Name, part: number): string => `ghost.${bucket}.${origin}.${hash128(key)}.${part}`;

export function createGhosts(deps: GhostDeps): Ghosts {
  const { bucket, store, state, replica } = deps;

  async function keep(name: Name, value: Uint8Array): Promise<void> {
    let part = 0;
    for (; part === 0 || part * GHOST_PART_BYTES < value.length; part++) {
      const bytes = value.subarray(part * GHOST_PART_BYTES, (part + 1) * GHOST_PART_BYTES);
      await state.save(partKey(bucket, name, part), Buffer.from(bytes).toString("base64"));
    }
    // What an earlier ghost of the key has left.
    await forgetFrom(name, part);
  }

  async function kept(name: Name): Promise<Uint8Array | null> {
    const parts: Uint8Array[] = [];
    for (let part = 0; ; part++) {
      const { value } = await state.load(partKey(bucket, name, part));
      if (typeof value !== "string") return part === 0 ? null : Buffer.concat(parts);
      parts.push(Buffer.from(value, "base64"));
    }
  }

  /** The last part first: what a crash leaves is still found from the front. */
  async function forgetFrom(name: Name, first: number): Promise<void> {
    let end = first;
    while ((await state.load(partKey(bucket, name, end))).value !== null) end++;
    for (let part = end - 1; part >= first; part--) await state.remove(partKey(bucket, name, part));
  }

  async function note({ kind, key, version, value }: Pick<Operation, "kind" | "key" | "version" | "value">, at: SetAside["at"]): Promise<void> {
    await keep({ key, origin: version.site }, value);
    const detail = `deleted everywhere while this site was away; ${value.length} bytes are kept`;
    await deps.setAsides.put({ key, origin: version.site, reason: "ghost", detail, kind, version, at });
  }

  return {
    async setLoggedAside(operation, at) {
      await note(operation, at);
      await deps.appender.forget(operation.key, operation.version);
    },
    async setAside(key) {
      const known = replica.get(key);
      const entry = await store.read(key);
      if (known === undefined || entry?.kind !== "put" || entry.revision !== known.revision) return false;
      const { value, revision } = entry;
      const { version, kind } = known;
      await note({ kind, key, version, value }, { created: deps.bucketCreated, position: revision });
      await store.forget(key, revision);
      if (replica.recordMissing(key, revision) === null) return false;
      await deps.appender.forget(key, version);
      return true;
    },
    async bringBack(record) {
      const { key } = record;
      const value = await kept(record);
      if (value === null || !isKey(key)) return "its value is not kept any more; drop the record";
      const known = replica.get(key);
      if (known?.kind === "put") return "the key has a value again; drop the record, or delete the key first";
      return whyNot(await store.write(key, value, replica.revision(key)));
    },
    forget: (record) => forgetFrom(record, 0),
  };
}

function whyNot(outcome: WriteOutcome): string | null {
  switch (outcome.kind) {
    case "written":
      return null;
    case "refused":
      return "the key was written meanwhile; look at it and try again";
    case "unknown":
      return "the server did not answer, so the value may be there; look at the key and try again";
    case "too-large":
      return "it is larger than the bucket takes by now; raise what it takes";
    case "failed":
      return outcome.error.message;
  }
}
