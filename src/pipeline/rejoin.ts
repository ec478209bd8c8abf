/**
 * A site whose bucket came back wrong, or that was away from the list of sites: peers tell it so (`core/seen.ts`), and it hears
 * that before it answers. Until every peer has been compared with, it is *rejoining*, and says so; in rounds peers then take
 * nothing from it that is older than `tombstoneTtl` and of which they know nothing. Afterwards it is believed again.
 *
 * What no peer knows, is older than `tombstoneTtl`, and was here before, is a ghost: it had been deleted everywhere, and its
 * tombstone swept. It is set aside with its value, to be listed, written again or dropped, and never replicated. All else is
 * new and is kept. A peer that has come back wrong itself is not asked; where all have, the union of all is taken.
 */
import type { Observe } from "../core/events.js";
import type { BucketName, Key, SiteId } from "../core/ids.js";
import type { Hello } from "../core/question.js";
import type { Replica } from "../core/replica.js";
import { type Seen, cameBackWrong } from "../core/seen.js";
import type { Version } from "../core/version.js";
import type { Marks } from "./marks.js";

export interface Rejoin {
  isRejoining(): boolean;
  /** Everything that was in the bucket at the start is known. Begins the rejoin where the own state remembers more. */
  begin(): void;
  /** What a peer says of this site. May begin the rejoin. */
  hear(hello: Hello): void;
  /** A whole comparison with a peer: the values of which it knows nothing. May end the rejoin. */
  compared(peer: SiteId, hello: Hello, alone: readonly Key[]): Promise<void>;
}

export interface RejoinDeps {
  readonly site: SiteId;
  readonly bucket: BucketName;
  readonly peers: readonly SiteId[];
  readonly marks: Pick<Marks, "seen"> & { own(): Seen | null };
  /** Whether the own bucket came back wrong, measured by what is remembered of an earlier run. */
  readonly isBehind: (mark: Seen) => boolean;
  readonly replica: Replica;
  readonly isOld: (version: Version) => boolean;
  /** Keeps the value aside and removes the key from bucket and log. False if something came after it. */
  readonly setAside: (key: Key) => Promise<boolean>;
  /** A round with every peer, soon. */
  readonly ask: () => void;
  readonly observe: Observe;
  /** The rejoin is over. */
  readonly onOver: () => void;
}

export function createRejoin(deps: RejoinDeps): Rejoin {
  const { site, replica } = deps;
  // Until when what was written here had been captured before, by this site's clock; null while all is well.
  let beforeUs: number | null = null;
  let over = false;
  // Rounds with several peers may come to their ends together.
  let ending: Promise<void> | null = null;
  // Of each peer what it knows nothing of; null for one that has come back wrong itself.
  const aloneByPeer = new Map<SiteId, ReadonlySet<Key> | null>();

  const isRejoining = () => beforeUs !== null && !over;

  /** Then it may know nothing of what it has lost itself, also once it has compared itself with everybody. */
  const hasComeBackToo = (peer: SiteId, { rejoining, moment, start }: Hello): boolean =>
    rejoining || cameBackWrong(deps.marks.seen().get(peer), moment.run, start);

  function wasHereBefore(key: Key): boolean {
    const known = replica.get(key);
    if (known === undefined || known.kind !== "put" || !deps.isOld(known.version)) return false;
    return known.version.site !== site || known.version.ts <= (beforeUs ?? 0);
  }

  function measure(mark: Seen | null, by: SiteId): void {
    if (over || mark === null || !deps.isBehind(mark)) return;
    const isNew = beforeUs === null;
    beforeUs = Math.max(beforeUs ?? 0, mark.atUs);
    if (!isNew) return;
    deps.observe({ type: "rejoining", bucket: deps.bucket, by });
    if (deps.peers.length > 0) return deps.ask();
    over = true;
    deps.onOver();
  }

  async function end(): Promise<void> {
    const answers = [...aloneByPeer.values()].filter((alone) => alone !== null);
    const [first, ...others] = answers;
    let ghosts = 0;
    for (const key of first ?? []) {
      if (!others.every((alone) => alone.has(key)) || !wasHereBefore(key)) continue;
      if (await deps.setAside(key)) ghosts++;
    }
    over = true;
    deps.observe({ type: "rejoined", bucket: deps.bucket, ghosts });
    deps.onOver();
  }

  return {
    isRejoining,
    begin: () => measure(deps.marks.own(), site),
    hear: (hello) => measure(hello.seen.get(site) ?? null, hello.site),
    async compared(peer, hello, alone) {
      if (!isRejoining()) return;
      aloneByPeer.set(peer, hasComeBackToo(peer, hello) ? null : new Set(alone.filter(wasHereBefore)));
      if (!deps.peers.every((each) => aloneByPeer.has(each))) return;
      await (ending ??= end().finally(() => (ending = null)));
    },
  };
}
