/**
 * What this site remembers of its peers' buckets, durably: see `core/seen.ts`. A tombstone is swept only after what is
 * remembered of each peer has risen above its having had it; so whoever loses it later is recognised.
 */
import type { BucketName, SiteId } from "../core/ids.js";
import type { SiteState } from "../core/ports.js";
import type { Hello } from "../core/question.js";
import { type Seen, isSeen } from "../core/seen.js";

export interface Marks {
  /** Of every site that takes part. */
  seen(): ReadonlyMap<SiteId, Seen>;
  /** How far the own bucket had been captured when that was noted last: by an earlier run, unless this one has noted it. */
  own(): Seen | null;
  /** Durable when it resolves; writes nothing where nothing is new. KVGW_STATE_UNAVAILABLE. */
  noteOwn(mark: Seen): Promise<void>;
  /** Both sites are equal as of this hello. Durable when it resolves; writes nothing where nothing is new (I13).
   *  KVGW_STATE_UNAVAILABLE. */
  note(peer: SiteId, hello: Hello): Promise<void>;
}

export interface MarksDeps {
  readonly bucket: BucketName;
  readonly state: SiteState;
  readonly peers: ReadonlySet<SiteId>;
}

/** Also notes which sites have left since the last run. KVGW_STATE_UNAVAILABLE. */
export async function loadMarks({ bucket, state, peers }: MarksDeps): Promise<Marks> {
  const prefix = `seen.${bucket}`;
  const seen = new Map<SiteId, Seen>();
  const gone: [string, Seen][] = [];
  await state.scan(prefix, (key, value) => {
    const site = key.slice(prefix.length + 1) as SiteId;
    if (!isSeen(value)) return;
    if (peers.has(site)) seen.set(site, value);
    else if (!value.left) gone.push([key, value]);
  });
  const ownKey = `captured.${bucket}`;
  const { value: stored } = await state.load(ownKey);
  let own = isSeen(stored) ? stored : null;
  for (const [key, value] of gone) await state.save(key, { ...value, left: true });
  return {
    seen: () => seen,
    own: () => own,
    async noteOwn(mark) {
      if (own?.created === mark.created && own.sequence === mark.sequence) return;
      await state.save(ownKey, mark);
      own = mark;
    },
    async note(peer, { bucket: mark, nowUs, moment: { run } }) {
      const before = seen.get(peer);
      if (before?.run === run && before.created === mark.created && before.sequence === mark.sequence) return;
      const next: Seen = { created: mark.created, sequence: mark.sequence, run, atUs: nowUs, left: false };
      await state.save(`${prefix}.${peer}`, next);
      seen.set(peer, next);
    },
  };
}
