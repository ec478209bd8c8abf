/**
 * The heartbeat of the process: every peer is asked over every connection that leads to it, once per beat for all buckets
 * together, and asks back. What a peer says, or that it says nothing, is handed to each bucket.
 *
 * Where the gateways of this site share its buckets, whichever of them is asked answers for all: it asks the others for
 * what it does not work itself. So a peer need not know who works what, nor that there are several.
 *
 * One question per peer is on its way at a time, and a connection is kept only while a bucket uses it (I11).
 */
import { GatewayError, toGatewayError } from "../core/errors.js";
import type { BucketName, SiteId } from "../core/ids.js";
import { HEARTBEAT_MS, PULSE_FIRST_MS } from "../core/limits.js";
import type { Beat, Clock, Heartbeat, PulseLine } from "../core/ports.js";
import { type BucketPulse, inQuestions } from "../core/pulse.js";

/** A connection over which peers are asked, or ask. */
export interface PulsePlace {
  /** The same for the same connection. */
  readonly key: string;
  open(): PulseLine;
}

export interface Heart {
  /** @param places where each site of the bucket is asked; that of this site is where it is asked itself */
  join(bucket: BucketName, site: SiteId, places: ReadonlyMap<SiteId, PulsePlace>): Heartbeat;
}

/** This gateway, and the others of its site that share its buckets, by their ids. */
export interface Beside {
  readonly self: string;
  readonly others: () => readonly string[];
}

type Say = () => Promise<BucketPulse>;
type Hear = (beat: Beat) => void;

/** @param beside null where the gateways of this site do not share; asked whenever the first bucket on a connection is told of */
export function createHeart(clock: Clock, beside: () => Beside | null = () => null): Heart {
  const lines = new Map<string, SharedLine>();

  /** Uses the line until the returned function is called once. */
  function use({ key, open }: PulsePlace, begin: (line: SharedLine) => () => void): () => void {
    const line = lines.get(key) ?? createSharedLine(clock, open(), beside);
    lines.set(key, line);
    line.users++;
    const end = begin(line);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      end();
      if (--line.users > 0) return;
      lines.delete(key);
      line.close();
    };
  }

  return {
    join: (bucket, site, places) => ({
      listen: (peer, hear) => use(placeOf(places, peer), (line) => line.listen(peer, bucket, hear)),
      tell: (say) => use(placeOf(places, site), (line) => line.tell(bucket, site, say)),
    }),
  };
}

function placeOf(places: ReadonlyMap<SiteId, PulsePlace>, site: SiteId): PulsePlace {
  const place = places.get(site);
  if (place === undefined) throw new GatewayError("KVGW_INTERNAL", `the bucket does not run at ${site}`);
  return place;
}

interface SharedLine {
  users: number;
  listen(peer: SiteId, bucket: BucketName, hear: Hear): () => void;
  tell(bucket: BucketName, site: SiteId, say: Say): () => void;
  close(): void;
}

type Pulses = readonly (BucketPulse | null)[];

function createSharedLine(clock: Clock, line: PulseLine, beside: () => Beside | null): SharedLine {
  const askers = new Map<SiteId, Asker>();
  const sayings = new Map<BucketName, Say>();
  let unserve: (() => void) | null = null;

  const answerOwn = (buckets: readonly BucketName[]): Promise<Pulses> =>
    Promise.all(buckets.map(async (bucket) => (await sayings.get(bucket)?.().catch(() => null)) ?? null));

  /** What this gateway works, and beside it what the others of the site say of the rest. */
  async function answerAll(site: SiteId, others: readonly string[], buckets: readonly BucketName[]): Promise<Pulses> {
    const rest = buckets.filter((bucket) => !sayings.has(bucket));
    const asking = rest.length === 0 ? [] : others.map((other) => line.ask(site, rest, other).catch(() => []));
    const [own, ...told] = await Promise.all([answerOwn(buckets), ...asking]);
    const restAt = new Map(rest.map((bucket, at) => [bucket, at]));
    return buckets.map((bucket, at) => {
      const there = restAt.get(bucket);
      if (there === undefined) return own[at] ?? null;
      return told.map((pulses) => pulses[there] ?? null).find((pulse) => pulse !== null) ?? null;
    });
  }

  function serve(site: SiteId): () => void {
    const shared = beside();
    if (shared === null) return line.serve(answerOwn);
    const ends = [line.serve(answerOwn, shared.self), line.serve((buckets) => answerAll(site, shared.others(), buckets))];
    return () => ends.forEach((end) => end());
  }

  return {
    users: 0,
    listen(peer, bucket, hear) {
      const asker = askers.get(peer) ?? createAsker(clock, line, peer);
      askers.set(peer, asker);
      const forget = asker.listen(bucket, hear);
      return () => {
        if (forget() === 0) askers.delete(peer);
      };
    },
    tell(bucket, site, say) {
      sayings.set(bucket, say);
      unserve ??= serve(site);
      return () => {
        if (sayings.get(bucket) === say) sayings.delete(bucket);
        if (sayings.size > 0) return;
        unserve?.();
        unserve = null;
      };
    },
    close: () => line.close(),
  };
}

interface Asker {
  /** Returns the end of it, which says how many listen on. */
  listen(bucket: BucketName, hear: Hear): () => number;
}

function createAsker(clock: Clock, line: PulseLine, peer: SiteId): Asker {
  const listeners = new Map<BucketName, Hear>();
  let beating = false;
  let dueMs = Infinity;
  let cancel = () => {};

  function schedule(inMs: number): void {
    cancel();
    dueMs = clock.elapsedMs() + inMs;
    cancel = clock.schedule(inMs, () => void beat());
  }

  /** Waits for no answer longer than the next beat is away. */
  async function beat(): Promise<void> {
    beating = true;
    const beganMs = clock.elapsedMs();
    let failure: GatewayError | null = null;
    for (const buckets of inQuestions([...listeners.keys()])) {
      // Whoever does not answer one question is not asked the others.
      const heard: readonly Beat[] = failure === null ? await ask(buckets) : missed(buckets, failure);
      const [first] = heard;
      if (first?.kind === "missed") failure = first.error;
      buckets.forEach((bucket, at) => {
        const beat = heard[at];
        if (beat !== undefined) listeners.get(bucket)?.(beat);
      });
    }
    beating = false;
    if (listeners.size > 0) schedule(Math.max(0, HEARTBEAT_MS - (clock.elapsedMs() - beganMs)));
  }

  async function ask(buckets: readonly BucketName[]): Promise<readonly Beat[]> {
    const askedMs = clock.elapsedMs();
    try {
      return (await line.ask(peer, buckets)).map((pulse) => ({ kind: "told", askedMs, pulse }));
    } catch (thrown) {
      return missed(buckets, toGatewayError(thrown));
    }
  }

  /** Early: whether the peer is there is known as soon as it can be. */
  const forget = line.onUp(() => {
    if (!beating) schedule(0);
  });

  return {
    listen(bucket, hear) {
      listeners.set(bucket, hear);
      // Soon, and for all that begin together.
      if (!beating && dueMs > clock.elapsedMs() + PULSE_FIRST_MS) schedule(PULSE_FIRST_MS);
      return () => {
        if (listeners.get(bucket) === hear) listeners.delete(bucket);
        if (listeners.size === 0) {
          cancel();
          forget();
        }
        return listeners.size;
      };
    },
  };
}

const missed = (buckets: readonly BucketName[], error: GatewayError): readonly Beat[] =>
  buckets.map(() => ({ kind: "missed", error }));
