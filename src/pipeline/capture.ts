/**
 * The local bucket's tail: keeps the replica true, and turns every local write into one operation of the own log. What
 * a gateway wrote is not a local write (I4), an expiry is not a write, and a key that the filter excludes is not ours.
 */
import { type Key, type SiteId, isKey } from "../core/ids.js";
import type { KeyFilter } from "../core/key-filter.js";
import type { Entry, EntryIdentity } from "../core/operation.js";
import type { SetAside } from "../core/ports.js";
import type { Causality, Replica } from "../core/replica.js";
import type { Appender } from "./append.js";
import type { Holding } from "./holding.js";
import type { KeyGate } from "./key-gate.js";
import type { TailPosition } from "./tail-position.js";

export interface CaptureDeps {
  readonly site: SiteId;
  readonly bucketCreated: string;
  readonly replica: Replica;
  readonly causality: Causality;
  readonly appender: Pick<Appender, "append">;
  readonly holding: Holding;
  readonly gate: KeyGate;
  readonly position: TailPosition;
  readonly includes: KeyFilter;
  /** Hears of every key that takes no part. */
  readonly onExcluded: (key: string) => void;
  readonly setAside: (setAside: SetAside, then: () => void) => void;
  /** The entry is dealt with: the tail may bring another one. */
  readonly release: (bytes: number) => void;
}

export function createCapture(deps: CaptureDeps): (entry: Entry, bytes: number) => void {
  const { site, bucketCreated, replica, causality, appender } = deps;

  function take(entry: Entry & { readonly key: Key }, bytes: number): void {
    const observation = replica.observe(entry, causality);
    if (observation.kind !== "local-write") return deps.release(bytes);
    const identity = identityOf(entry, bucketCreated);
    if (deps.holding.hold(observation.operation, identity)) return deps.release(bytes);
    appender.append(observation.operation, identity, () => deps.release(bytes));
  }

  function setAside(entry: Entry, bytes: number): void {
    const { key, revision, kind, version } = entry;
    deps.onExcluded(key);
    const at = { created: bucketCreated, position: revision };
    const detail = "the key is not one that NATS KV allows";
    deps.setAside(
      { key, origin: site, reason: "invalid_key", detail, kind: kind === "expired" ? null : kind, version, at },
      () => deps.release(bytes),
    );
  }

  function exclude({ key }: Entry, bytes: number): void {
    deps.onExcluded(key);
    deps.release(bytes);
  }

  return (entry, bytes) => {
    if (!isKeyed(entry)) setAside(entry, bytes);
    else if (!deps.includes(entry.key)) exclude(entry, bytes);
    else if (entry.version === null && deps.gate.isClosed(entry.key)) deps.gate.pass(entry.key, () => take(entry, bytes));
    else take(entry, bytes);
    deps.position.advance(entry.revision);
  };
}

const isKeyed = (entry: Entry): entry is Entry & { readonly key: Key } => isKey(entry.key);

const identityOf = ({ revision, timestampNs }: Entry, bucketCreated: string): EntryIdentity => ({
  bucketCreated,
  revision,
  timestampNs,
});
