/** What must be true once everything has healed: all sites equal, the highest version there, nothing acknowledged lost. */
import type { Final, Violation } from "../history.js";
import type { Best } from "./best.js";
import { type Ledger, nameOf, placeOf, violation } from "./ledger.js";
import { type Version, compare, describe, readHeaders } from "./wire.js";

interface Standing {
  /** Null for a key that a reader does not find. */
  readonly value: string | null;
  /** Null where the server's marker stands, or nothing. */
  readonly version: Version | null;
  readonly unlogged: boolean;
}

const NOTHING: Standing = { value: null, version: null, unlogged: false };

export function checkOutcome(ledger: Ledger): Violation[] {
  const standings = readFinals(ledger);
  const names = new Map<string, { readonly bucket: string; readonly key: string }>();
  for (const { bucket, key } of [...ledger.finals, ...ledger.logged]) names.set(nameOf({ bucket, key }), { bucket, key });
  const found = [...names.values()].flatMap(({ bucket, key }) => {
    if (!ledger.takesPart(bucket, key)) return [];
    const sites = ledger.setup.buckets.find(({ name }) => name === bucket)?.sites ?? [];
    const at = sites.map((site) => [site, standings.get(placeOf({ site, bucket, key })) ?? NOTHING] as const);
    return [...checkEqual(bucket, key, at), ...checkWinner(ledger, bucket, key, at)];
  });
  return [...checkKept(ledger), ...found];
}

function readFinals(ledger: Ledger): ReadonlyMap<string, Standing> {
  return new Map(ledger.finals.map((final) => [placeOf(final), readFinal(ledger, final)]));
}

function readFinal(ledger: Ledger, final: Final): Standing {
  const { version, kind, marker } = readHeaders(final.block);
  if (marker) return NOTHING;
  const entry = ledger.entries.get(placeOf(final))?.find(({ created, sequence, timestampNs }) => {
    return created === final.created && sequence === final.sequence && timestampNs === final.timestampNs;
  });
  const known = entry?.version ?? version;
  return { value: kind === "put" ? final.value : null, version: known, unlogged: known === null };
}

type AtSites = readonly (readonly [string, Standing])[];

function checkEqual(bucket: string, key: string, at: AtSites): Violation[] {
  const [first] = at;
  if (first === undefined) return [];
  const tell = () => at.map(([site, { value, version }]) => `${site}: ${JSON.stringify(value)} at ${describe(version)}`).join("; ");
  const versions = at.flatMap(([, { version }]) => (version === null ? [] : [version]));
  const sameValues = at.every(([, { value }]) => value === first[1].value);
  const sameVersions = versions.every((version) => compare(version, versions[0] ?? version) === 0);
  return sameValues && sameVersions ? [] : [violation("convergence", { bucket, key }, tell())];
}

function checkWinner(ledger: Ledger, bucket: string, key: string, at: AtSites): Violation[] {
  const best = ledger.best.get(nameOf({ bucket, key }));
  return at.flatMap(([site, standing]) => {
    const isFar = ledger.clocks.isFar(standing.version);
    const wrong = isFar ? `${describe(standing.version)} stands there, which is days ahead` : wrongStanding(standing, best);
    return wrong === null ? [] : [violation("highest version wins", { site, bucket, key }, wrong)];
  });
}

function wrongStanding({ value, version, unlogged }: Standing, found: Best | undefined): string | null {
  const best = found?.mayReturn.find((each) => isSame(version, each.version)) ?? found?.operation;
  if (unlogged) return `a write stands there that no log names`;
  if (best === undefined || best.version === null) return version === null ? null : `${describe(version)} stands there, and no log has it`;
  if (version === null && value === null && found?.mayBeGone === true) return null;
  if (version !== null && compare(version, best.version) !== 0) {
    return `${describe(version)} stands there, and ${describe(best.version)} is the highest`;
  }
  const expected = best.kind === "put" && best.headers.expiresUs === null ? best.value : null;
  if (value === expected) return null;
  return `${JSON.stringify(value)} stands there instead of ${JSON.stringify(expected)} of ${describe(best.version)}`;
}

const isSame = (one: Version | null, other: Version | null): boolean => one !== null && other !== null && compare(one, other) === 0;

/** An acknowledged write is in its log, unless it was overwritten, or removed, or lost with its stream's tail, where it was written. */
function checkKept(ledger: Ledger): Violation[] {
  return ledger.history.flatMap((happening) => {
    if (happening.what !== "answered" || happening.outcome !== "acknowledged") return [];
    const called = ledger.called.get(happening.op);
    const entry = ledger.entryByOp.get(happening.op);
    if (called === undefined || !ledger.takesPart(called.bucket, called.key)) return [];
    const lost = (message: string) => [violation("acknowledged is kept", called, `write ${happening.op} ${message}`)];
    if (entry === undefined) return lost("was acknowledged and never stored");
    if (entry.version !== null) return [];
    const later = ledger.entries.get(placeOf(entry))?.some(({ order, by }) => order > entry.order && by !== "server");
    return later === true || ledger.removed.has(entry) || ledger.lost.has(entry) ? [] : lost("was acknowledged, never overwritten, and is in no log");
  });
}
