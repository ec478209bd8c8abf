/** A history made by hand: two sites, one bucket, told in the order in which it happens. */
import type { Happening, Setup, Violation, WriteKind } from "../history.js";
import type { Unstamped } from "../world/recorder.js";
import { check } from "./check.js";

export const SETUP: Setup = {
  buckets: [{ name: "config", sites: ["a", "b"], format: "raw", include: [">"], exclude: ["secret.>"] }],
  beganMs: 1_700_000_000_000,
  onlyBucketFaults: false,
};

interface Place {
  readonly site: string;
  readonly key: string;
  readonly sequence: number;
}

export interface Tale {
  /** An application's write is stored, and acknowledged. The server's clock stands at `us`. */
  write(at: Place & { readonly us: number; readonly kind?: WriteKind; readonly value?: string }): Tale;
  /** The gateway logs the write that stands at `revision`, stamped with `us`, or as somebody else's. */
  log(at: Place & { readonly revision: number; readonly us: number } & Logging): Tale;
  /** The gateway writes an operation of a peer. */
  apply(at: Place & { readonly us: number; readonly origin: string; readonly kind?: WriteKind; readonly value?: string }): Tale;
  expire(at: Place): Tale;
  /** The server's marker in its place. */
  marker(at: Place): Tale;
  save(site: string, key: string, value: unknown): Tale;
  add(happening: Unstamped): Tale;
  /** The buckets as they stand now, as the end of the run. */
  end(): Tale;
  violations(setup?: Setup): readonly Violation[];
  /** The names of all properties that do not hold. */
  broken(setup?: Setup): readonly string[];
}

interface Logging {
  readonly kind?: WriteKind;
  readonly value?: string;
  /** The server's clock when the write was stored, where it differs from the version. */
  readonly storedUs?: number;
  readonly origin?: string;
  readonly expiresUs?: number;
}

const CREATED = "1000000000";
const BUCKET = { bucket: "config", created: CREATED } as const;
const KV: Readonly<Record<WriteKind, string>> = { put: "", delete: "KV-Operation: DEL\r\n", purge: "KV-Operation: PURGE\r\n" };

const block = (lines: string): string => (lines === "" ? "" : `NATS/1.0\r\n${lines}\r\n`);

export function tale(): Tale {
  const history: Happening[] = [];
  const stored = new Map<string, { readonly site: string; readonly key: string; readonly message: Happening & { what: "stored" } }>();
  let ops = 0;
  const told: Tale = {
    write({ site, key, sequence, us, kind = "put", value = "" }) {
      const op = ++ops;
      told.add({ what: "called", op, site, bucket: "config", key, kind, value, expected: null });
      const message = { ...BUCKET, site, key, sequence, timestampNs: `${us}000`, block: block(KV[kind]), value };
      told.add({ what: "stored", place: "bucket", ...message, op });
      return told.add({ what: "answered", op, outcome: "acknowledged", revision: sequence });
    },
    log({ site, key, sequence, revision, us, kind = "put", value = "", storedUs = us, origin = site, expiresUs }) {
      const expires = expiresUs === undefined ? "" : `Kvgw-Expires: ${expiresUs}\r\n`;
      const lines = `Kvgw-Version: ${us} ${origin}\r\nKvgw-Revision: ${CREATED} ${revision} ${storedUs}000\r\n${expires}${KV[kind]}`;
      const message = { ...BUCKET, site, key, sequence, timestampNs: `${us}000`, block: block(lines), value };
      return told.add({ what: "stored", place: "log", ...message, op: null });
    },
    apply({ site, key, sequence, us, origin, kind = "put", value = "" }) {
      const lines = `Kvgw-Version: ${us} ${origin}\r\n${KV[kind]}`;
      const message = { ...BUCKET, site, key, sequence, timestampNs: `${us}000`, block: block(lines), value };
      return told.add({ what: "stored", place: "bucket", ...message, op: null });
    },
    expire: ({ site, key, sequence }) =>
      told.add({ what: "removed", place: "bucket", site, bucket: "config", key, sequence, why: "expired" }),
    marker({ site, key, sequence }) {
      const message = { ...BUCKET, site, key, sequence, timestampNs: "0", block: block("Nats-Marker-Reason: MaxAge\r\n"), value: "" };
      return told.add({ what: "stored", place: "bucket", ...message, op: null });
    },
    save: (site, key, value) => told.add({ what: "saved", site, key, text: JSON.stringify(value) }),
    add(happening) {
      const stamped = { ms: history.length, ...happening } as Happening;
      history.push(stamped);
      if (stamped.what === "removed" && stamped.place === "bucket") stored.delete(`${stamped.site} ${stamped.key}`);
      if (stamped.what === "stored" && stamped.place === "bucket") {
        stored.set(`${stamped.site} ${stamped.key}`, { site: stamped.site, key: stamped.key, message: stamped });
      }
      return told;
    },
    end() {
      for (const { message } of stored.values()) {
        const { site, key, bucket, created, sequence, timestampNs, block: lines, value } = message;
        told.add({ what: "final", site, key, bucket, created, sequence, timestampNs, block: lines, value });
      }
      return told;
    },
    violations: (setup = SETUP) => check(history, setup),
    broken: (setup = SETUP) => [...new Set(check(history, setup).map(({ property }) => property))],
  };
  return told;
}
