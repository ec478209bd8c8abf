/** What an operator asks of one running bucket: rounds, a pause, what is set aside. Refused with the reason and the remedy. */
import { GatewayError } from "../core/errors.js";
import type { BucketName, SiteId } from "../core/ids.js";
import type { Clock } from "../core/ports.js";
import { createBucketSetAsides } from "./set-aside.js";
import { iso, peersOf } from "./snapshot.js";
import type { BucketSetAsides, PauseOutcome, PausedBy, ReconcileRequest } from "./status.js";
import type { Supervisor } from "./supervisor.js";

/** All fail with KVGW_USAGE for an unknown bucket, KVGW_STANDBY, and KVGW_WORKED_ELSEWHERE, which names the one to ask. */
export interface Requests {
  /** Asks for a round with every peer of the bucket. KVGW_BUCKET_NOT_RUNNING. */
  reconcile(bucket: string): ReconcileRequest;
  /** Resolves when nothing of the bucket runs any more; stays so until `resume`, also after a restart.
   *  KVGW_UNREACHABLE, KVGW_STATE_UNAVAILABLE. */
  pause(bucket: string): Promise<PauseOutcome>;
  /** Takes that back, and ends a parking. A pause in the config stays. Fails as `pause` does. */
  resume(bucket: string): Promise<PauseOutcome>;
  /** What is set aside in the bucket. KVGW_BUCKET_NOT_RUNNING. */
  setAsides(bucket: string): BucketSetAsides;
}

export interface RequestsDeps {
  readonly clock: Clock;
  readonly supervisorByBucket: ReadonlyMap<BucketName, Supervisor>;
  /** This site, once a config has been loaded. */
  readonly site: () => SiteId | undefined;
  /** Why this gateway does not work the bucket at present, null if it does. */
  readonly standby: (bucket: BucketName) => GatewayError | null;
  /** Behind a reload that is being applied, which may replace a supervisor. */
  readonly afterAll: <T>(work: () => Promise<T>) => Promise<T>;
}

export function createRequests({ clock, supervisorByBucket, site, standby, afterAll }: RequestsDeps): Requests {
  function supervisorOf(bucket: string): Supervisor {
    const found = supervisorByBucket.get(bucket as BucketName);
    const why = standby(bucket as BucketName);
    // What no gateway of the site has is not worked elsewhere either.
    if (why !== null && (found !== undefined || why.code === "KVGW_STANDBY")) throw why;
    if (found !== undefined) return found;
    const known = [...supervisorByBucket.keys()];
    const buckets = known.length > BUCKETS_NAMED ? `${known.length} others` : known.join(", ") || "none";
    throw new GatewayError("KVGW_USAGE", `this gateway runs no bucket ${bucket}; its buckets: ${buckets}`);
  }

  function pauseOrResume(bucket: string, act: (supervisor: Supervisor) => Promise<void>): Promise<PauseOutcome> {
    return afterAll(async () => {
      const supervisor = supervisorOf(bucket);
      await act(supervisor);
      const [state, pausedBy] = [supervisor.state(), supervisor.pausedBy()];
      return { bucket: supervisor.config().name, state, pausedBy, message: pauseMessage(bucket, pausedBy) };
    });
  }

  return {
    reconcile(bucket) {
      const supervisor = supervisorOf(bucket);
      const requestedAt = iso(clock.nowMs());
      if (!supervisor.reconcile()) throw notRunning(supervisor);
      const { name } = supervisor.config();
      return { bucket: name, requestedAt, peers: peersOf(supervisor, site() ?? ("" as SiteId)) };
    },
    pause: (bucket) => pauseOrResume(bucket, (supervisor) => supervisor.pause()),
    resume: (bucket) => pauseOrResume(bucket, (supervisor) => supervisor.resume()),
    setAsides(bucket) {
      const supervisor = supervisorOf(bucket);
      const setAsides = supervisor.setAsides();
      if (setAsides === null) throw notRunning(supervisor);
      return createBucketSetAsides(supervisor.config().name, setAsides);
    },
  };
}

/** Named in a message; more would not be read. */
const BUCKETS_NAMED = 20;

function notRunning(supervisor: Supervisor): GatewayError {
  const { name } = supervisor.config();
  const state = supervisor.state();
  const pausedBy = supervisor.pausedBy();
  const because = supervisor.reason()?.message ?? (pausedBy.length > 0 ? pauseMessage(name, pausedBy) : "it has not begun yet");
  const next = state === "parked" ? `mend it, then kvgw resume ${name}` : state === "paused" ? "" : "it is tried again by itself";
  const message = `bucket ${name} is ${state}: ${because}${next === "" ? "" : `; ${next}`}`;
  return new GatewayError("KVGW_BUCKET_NOT_RUNNING", message);
}

function pauseMessage(bucket: string, pausedBy: readonly PausedBy[]): string {
  const because: Record<PausedBy, string> = {
    config: "the config says paused: true, which wins over resume; remove it there",
    request: `until kvgw resume ${bucket}, also after a restart`,
  };
  return pausedBy.length === 0 ? "nothing pauses it" : pausedBy.map((by) => because[by]).join(", and ");
}
