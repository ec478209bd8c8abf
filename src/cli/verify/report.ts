/**
 * What `kvgw verify` found, as a document for scripts and as tables for people. The keys that differ are shown up to a
 * screenful, all of them are counted.
 */
import type { SiteId } from "../../core/ids.js";
import { VERIFY_SHOWN_KEYS } from "../../core/limits.js";
import { formatVersion } from "../../core/version.js";
import { type Terminal, table } from "../terminal.js";
import { count, formatMicros, printable } from "../wording.js";
import type { BucketComparison } from "./compare.js";
import { CATEGORIES, type Finding, type Holding, isNotLogged } from "./findings.js";
import type { DifferingKey } from "./looks.js";

export interface VerifyReport {
  readonly equal: boolean;
  readonly buckets: readonly BucketComparison[];
}

export function toDocument({ equal, buckets }: VerifyReport): unknown {
  return {
    equal,
    buckets: buckets.map(({ differing, complete, versions, versionsComplete, ...comparison }) => ({
      ...comparison,
      differences: differing.length,
      differencesComplete: complete,
      differingKeys: differing.slice(0, VERIFY_SHOWN_KEYS).map(keyDocument),
      versionsComplete,
      versionKeys: versions.slice(0, VERIFY_SHOWN_KEYS).map(keyDocument),
    })),
  };
}

type Held = { readonly is: Finding } & Holding;

const keyDocument = ({ sites, ...key }: DifferingKey) => ({
  ...key,
  sites: Object.fromEntries(entries(sites).map(([site, held]) => [site, heldDocument(held)])),
});

function heldDocument(held: Held): unknown {
  if (held.kind === "missing") return held;
  const { writtenUs, version, ...rest } = held;
  return { ...rest, writtenAt: formatMicros(writtenUs), version: version === null ? null : formatVersion(version) };
}

const entries = <V>(bySite: Readonly<Record<SiteId, V>>) => Object.entries<V>(bySite);

export function describeReport(report: VerifyReport, terminal: Terminal): string {
  const rows = report.buckets.map((comparison) => [
    comparison.bucket,
    Object.keys(comparison.sites).join(", "),
    keys(comparison),
    `${comparison.differing.length}${orMore(comparison.complete)}`,
    verdict(comparison, terminal),
  ]);
  return [
    table(terminal, ["bucket", "sites", "keys", "differences", "verdict"], rows),
    ...report.buckets.flatMap((comparison) => [
      ...keyTable(`key in ${comparison.bucket}`, comparison.differing, comparison.complete, terminal),
      ...keyTable(`same value in ${comparison.bucket}`, comparison.versions, comparison.versionsComplete, terminal),
    ]),
    conclusion(report, terminal),
  ].join("\n\n");
}

function keys({ sites }: BucketComparison): string {
  const numbers = entries(sites).map(([, site]) => site.keys);
  return numbers.every((number) => number === numbers[0]) ? String(numbers[0] ?? 0) : numbers.join(" / ");
}

const orMore = (complete: boolean): string => (complete ? "" : " or more");

/** Such as `different: 1 missing, 2 extra (3 keys on the way)`. */
function verdict({ sites, equal, categories, versionsComplete, inFlight }: BucketComparison, { colour }: Terminal): string {
  const absent = entries(sites).flatMap(([site, { exists }]) => (exists ? [] : [site]));
  if (absent.length > 0) return colour.red(`no such bucket at ${absent.join(", ")}`);
  const moving = inFlight === 0 ? "" : colour.dim(` (${count(inFlight, "key")} on the way)`);
  const found = CATEGORIES.filter((category) => categories[category] > 0).map(
    (category) =>
      category === "version" ? `${categories.version}${orMore(versionsComplete)} under other versions` : `${categories[category]} ${category}`,
  );
  if (!equal) return colour.red(`different: ${found.join(", ")}`) + moving;
  return colour.green("equal") + (found.length === 0 ? "" : colour.yellow(`, ${found.join(", ")}`)) + moving;
}

/** A row per key and site. */
function keyTable(title: string, differing: readonly DifferingKey[], complete: boolean, terminal: Terminal): string[] {
  if (differing.length === 0) return [];
  const shown = differing.slice(0, VERIFY_SHOWN_KEYS);
  const rows = shown.flatMap(({ key, sites }) =>
    entries(sites).map(([site, held]) => [printable(key), site, wording(held.is, terminal), describeHolding(held), describeVersion(held)]),
  );
  const rest = differing.length - shown.length;
  const more = rest === 0 && complete ? [] : [`… and ${rest}${orMore(complete)} others`];
  return [[table(terminal, [title, "site", "is", "holds", "version"], rows), ...more].join("\n")];
}

function wording(finding: Finding, { colour }: Terminal): string {
  if (finding === "newest" || finding === "same") return colour.green(finding);
  return finding === "version" ? colour.yellow("other version") : colour.red(finding);
}

const HOLDS = { missing: "nothing", delete: "deleted", purge: "purged", expired: "expired" } as const;

const describeHolding = (held: Holding): string =>
  held.kind === "value" ? `${count(held.bytes, "byte")}, hash ${held.hash.slice(0, 8)}` : HOLDS[held.kind];

function describeVersion(held: Holding): string {
  if (isNotLogged(held)) return "not logged yet";
  if (held.kind === "missing" || held.version === null) return "";
  return `${formatMicros(held.version.ts)} ${held.version.site}`;
}

function conclusion({ equal, buckets }: VerifyReport, { colour }: Terminal): string {
  if (!equal) return colour.red("the sites differ");
  const versions = buckets.some((comparison) => comparison.versions.length > 0);
  const note = "; some versions are not, which no reader sees: kvgw reconcile mends it, --strict takes it for different";
  return colour.green("all sites are equal") + (versions ? colour.yellow(note) : "");
}
