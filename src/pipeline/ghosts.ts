/**
 * Keeps a ghost's value in the site's state and takes the key out of bucket and log: first the one, durably, then the other,
 * so that nothing is lost in between. In parts, since a value may be as large as a message.
 */
import { hash128 } from "../core/hash.js";
import type { BucketName, Key } from "../core/ids.js";
import { GHOST_PART_BYTES } from "../core/limits.js";
import type { BucketStore, SiteState } from "../core/ports.js";
import type { Replica } from "../core/replica.js";
import type { Appender } from "./append.js";
import type { SetAsideStore } from "./set-aside.js";

export interface GhostDeps {
  readonly bucket: BucketName;
  readonly bucketCreated: string;
  readonly store: Pick<BucketStore, "read" | "forget">;
  readonly state: SiteState;
  readonly replica: Replica;
  readonly appender: Pick<Appender, "forget">;
  readonly setAsides: Pick<SetAsideStore, "put">;
}

/** Where the parts of a ghost's value stand in the state. */
export const ghostKey = (bucket: BucketName, key: string, part: number): string => `ghost.${bucket}.${hash128(key)}.${part}`;

/** False if something came after it. KVGW_STATE_UNAVAILABLE, KVGW_UNREACHABLE, KVGW_TIMEOUT, KVGW_DENIED. */
export async function setGhostAside(deps: GhostDeps, key: Key): Promise<boolean> {
  const { store, state, replica, bucket } = deps;
  const known = replica.get(key);
  const entry = await store.read(key);
  if (known === undefined || entry?.kind !== "put" || entry.revision !== known.revision) return false;
  const { value, revision } = entry;
  for (let part = 0; part === 0 || part * GHOST_PART_BYTES < value.length; part++) {
    const bytes = value.subarray(part * GHOST_PART_BYTES, (part + 1) * GHOST_PART_BYTES);
    await state.save(ghostKey(bucket, key, part), Buffer.from(bytes).toString("base64"));
  }
  const { version, kind } = known;
  const detail = `deleted everywhere while this site was away; ${value.length} bytes are kept`;
  const at = { created: deps.bucketCreated, position: revision };
  await deps.setAsides.put({ key, origin: version.site, reason: "ghost", detail, kind, version, at });
  await store.forget(key, revision);
  if (replica.recordMissing(key, revision) === null) return false;
  await deps.appender.forget(key, version);
  return true;
}
