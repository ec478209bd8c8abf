/**
 * Keeps account of what could not be applied or logged: durable in the site's state before anything passes it, the
 * newest per origin and key. The operation itself stays where it is, in its log or in the bucket; the record says where.
 */
import { GatewayError } from "../core/errors.js";
import type { Observe } from "../core/events.js";
import { hash128 } from "../core/hash.js";
import type { BucketName } from "../core/ids.js";
import { SET_ASIDE_PER_BUCKET_MAX } from "../core/limits.js";
import type { SetAside, SiteState } from "../core/ports.js";

export interface SetAsideStore {
  /** Durable when it resolves. KVGW_SET_ASIDE_FULL, KVGW_STATE_UNAVAILABLE. */
  put(setAside: SetAside): Promise<void>;
  count(): number;
}

export async function loadSetAside(state: SiteState, bucket: BucketName, observe: Observe): Promise<SetAsideStore> {
  const prefix = `set-aside.${bucket}`;
  const kept = new Set(await state.keys(prefix));
  return {
    async put(setAside) {
      const stateKey = `${prefix}.${setAside.origin}.${hash128(setAside.key)}`;
      if (!kept.has(stateKey) && kept.size >= SET_ASIDE_PER_BUCKET_MAX) {
        throw new GatewayError(
          "KVGW_SET_ASIDE_FULL",
          `bucket ${bucket}: ${kept.size} operations are set aside already; mend their cause, then remove their records`,
        );
      }
      await state.save(stateKey, setAside);
      kept.add(stateKey);
      observe({ type: "set-aside", bucket, setAside });
    },
    count: () => kept.size,
  };
}
