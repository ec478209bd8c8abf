/**
 * What one site asks another about a bucket, and what comes back: the words of reconcile. JSON as plain data, read as
 * strictly as everything else that comes from outside; only a fetched value travels as raw bytes.
 *
 *     hello     who are you, what is your bucket's digest, where does your log end
 *     digests   the digests of the sixteen parts of each of these prefixes
 *     entries   which versions have you below this prefix, page by page
 *     versions  which versions have you of these keys
 *     fetch     the newest operation of this key, with its value (see `ports.ts`)
 */
import { type Checkpoint, isCheckpoint } from "./checkpoint.js";
import type { Digest, Prefix } from "./digest.js";
import { type Key, type SiteId, isKey, parseSiteId } from "./ids.js";
import { DIGEST_PREFIX_LENGTH_MAX, QUESTION_KEYS_MAX, QUESTION_KEY_BYTES_MAX, QUESTION_PREFIXES_MAX } from "./limits.js";
import { type Moment, isMoment } from "./moment.js";
import type { OperationKind } from "./operation.js";
import { type BucketMark, type Seen, isSeen } from "./seen.js";
import { type Version, formatVersion, isTimestamp, parseVersion } from "./version.js";

/** Raised when a site of the version before could no longer understand the answers. */
export const PROTOCOL = 1;

export interface Hello {
  readonly protocol: number;
  readonly site: SiteId;
  /** Of the settings that must be the same at both sites, so that they decide alike. */
  readonly fingerprint: string;
  /** The site's clock, microseconds. */
  readonly nowUs: number;
  /** The own log: which life, and where it ends with all that has been captured. */
  readonly log: Checkpoint;
  /** The bucket: where it stood when this run began, and how far it is captured now. */
  readonly start: BucketMark;
  readonly bucket: BucketMark;
  /** What is remembered of the bucket of the site that hears it; of others nothing is needed. */
  readonly seen: ReadonlyMap<SiteId, Seen>;
  /** The site is finding out what of its bucket is to be believed. */
  readonly rejoining: boolean;
  /** Which hello of this run it is. */
  readonly moment: Moment;
  /** The hello of the site that hears it since which this one holds all that was known there. */
  readonly equal: ReadonlyMap<SiteId, Moment>;
  readonly digest: Digest;
}

/** What a site knows of one key. */
export interface Summary {
  readonly key: Key;
  readonly version: Version;
  readonly kind: OperationKind;
  /** Of a tombstone: the count of the site's hellos when it became known there. */
  readonly since: number | null;
}

export interface SummaryPage {
  readonly summaries: readonly Summary[];
  /** Whether keys follow behind the last one. */
  readonly more: boolean;
}

export interface DigestsQuestion {
  readonly prefixes: readonly Prefix[];
}

export interface EntriesQuestion {
  readonly prefix: Prefix;
  /** The last key of the page before, null for the first page. */
  readonly after: Key | null;
}

export interface VersionsQuestion {
  readonly keys: readonly Key[];
}

export interface FetchQuestion {
  readonly key: Key;
  /** Bytes of the value that the asker has already. */
  readonly offset: number;
}

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** Null for whatever is not exactly a list of what `read` takes, at most `max` long. */
function listOf<T>(value: unknown, max: number, read: (item: unknown) => T | null): readonly T[] | null {
  if (!Array.isArray(value) || value.length > max) return null;
  const items = value.map(read);
  return items.includes(null) ? null : (items as T[]);
}

const readKey = (value: unknown): Key | null => (typeof value === "string" && isKey(value) ? value : null);
const readVersion = (value: unknown): Version | null => (typeof value === "string" ? parseVersion(value) : null);

/** Records that every hello has travel as lists of their fields, in this order: their names would be a third of it. */
const MARK = ["created", "sequence"] as const;
const SEEN = ["created", "sequence", "run", "atUs", "left"] as const;
const MOMENT = ["run", "count"] as const;

const toList = <T>(fields: readonly (keyof T)[], record: T): unknown => fields.map((field) => record[field]);

/** Null for whatever is not exactly a list of these fields. */
function fromList<T>(fields: readonly (keyof T & string)[], value: unknown, is: (record: unknown) => record is T): T | null {
  if (!Array.isArray(value) || value.length !== fields.length) return null;
  const record: unknown = Object.fromEntries(fields.map((field, at) => [field, value[at] as unknown]));
  return is(record) ? record : null;
}

const readMark = (value: unknown): Checkpoint | null => fromList(MARK, value, isCheckpoint);
const readSeen = (value: unknown): Seen | null => fromList(SEEN, value, isSeen);
const readMoment = (value: unknown): Moment | null => fromList(MOMENT, value, isMoment);

const PREFIX = new RegExp(`^[0-9a-f]{0,${DIGEST_PREFIX_LENGTH_MAX}}$`);
const readPrefix = (value: unknown): Prefix | null => (typeof value === "string" && PREFIX.test(value) ? value : null);

export function encodeHello(hello: Hello): unknown {
  const marks = { log: toList(MARK, hello.log), start: toList(MARK, hello.start), bucket: toList(MARK, hello.bucket) };
  const seen = Object.fromEntries([...hello.seen].map(([site, known]) => [site, toList(SEEN, known)]));
  const equal = Object.fromEntries([...hello.equal].map(([site, moment]) => [site, toList(MOMENT, moment)]));
  return { ...hello, ...marks, seen, moment: toList(MOMENT, hello.moment), equal, digest: encodeDigest(hello.digest) };
}

export function decodeHello(value: unknown): Hello | null {
  if (!isFields(value)) return null;
  const { protocol, site, fingerprint, nowUs, rejoining } = value;
  const [start, bucket] = [readMark(value["start"]), readMark(value["bucket"])];
  const [log, digest, moment] = [readMark(value["log"]), decodeDigest(value["digest"]), readMoment(value["moment"])];
  const parsed = typeof site === "string" ? parseSiteId(site) : null;
  if (!isCount(protocol) || parsed?.ok !== true || typeof fingerprint !== "string") return null;
  if (typeof nowUs !== "number" || !isTimestamp(nowUs) || log === null || digest === null) return null;
  const [seen, equal] = [bySite(value["seen"], readSeen), bySite(value["equal"], readMoment)];
  if (seen === null || equal === null || moment === null || start === null || bucket === null) return null;
  if (typeof rejoining !== "boolean") return null;
  return { protocol, site: parsed.value, fingerprint, nowUs, log, start, bucket, seen, rejoining, moment, equal, digest };
}

function bySite<T>(value: unknown, read: (item: unknown) => T | null): ReadonlyMap<SiteId, T> | null {
  if (!isFields(value)) return null;
  const found = new Map<SiteId, T>();
  for (const [name, item] of Object.entries(value)) {
    const [site, known] = [parseSiteId(name), read(item)];
    if (!site.ok || known === null) return null;
    found.set(site.value, known);
  }
  return found;
}

/** Empty for nothing: most parts of a small bucket. */
const encodeDigest = ({ count, sum }: Digest): string => (count === 0 ? "" : `${count} ${sum}`);

const DIGEST = /^([1-9][0-9]{0,14}) ([0-9a-f]{32})$/;
const NOTHING: Digest = Object.freeze({ count: 0, sum: "0".repeat(32) });

function decodeDigest(value: unknown): Digest | null {
  if (value === "") return NOTHING;
  const parts = typeof value === "string" ? DIGEST.exec(value) : null;
  return parts === null ? null : { count: Number(parts[1]), sum: parts[2] ?? "" };
}

const PARTS = 16;

export const encodeDigests = (digests: readonly (readonly Digest[])[]): unknown => digests.map((parts) => parts.map(encodeDigest));

export const decodeDigests = (value: unknown): readonly (readonly Digest[])[] | null =>
  listOf(value, QUESTION_PREFIXES_MAX, (parts) => {
    const digests = listOf(parts, PARTS, decodeDigest);
    return digests?.length === PARTS ? digests : null;
  });

export const encodePage = ({ summaries, more }: SummaryPage): unknown => ({ summaries: summaries.map(encodeSummary), more });

export function decodePage(value: unknown): SummaryPage | null {
  if (!isFields(value) || typeof value["more"] !== "boolean") return null;
  const summaries = listOf(value["summaries"], QUESTION_KEYS_MAX, decodeSummary);
  return summaries === null ? null : { summaries, more: value["more"] };
}

/** Null where the site knows nothing of a key. */
export const encodeVersions = (summaries: readonly (Summary | null)[]): unknown =>
  summaries.map((summary) => (summary === null ? 0 : encodeSummary(summary)));

export function decodeVersions(value: unknown): readonly (Summary | null)[] | null {
  const read = listOf(value, QUESTION_KEYS_MAX, (item) => (item === 0 ? 0 : decodeSummary(item)));
  return read === null ? null : read.map((summary) => (summary === 0 ? null : summary));
}

const KINDS = ["put", "delete", "purge"] as const;

const encodeSummary = ({ key, version, kind, since }: Summary): unknown => {
  const summary = [key, formatVersion(version), KINDS.indexOf(kind)];
  return since === null ? summary : [...summary, since];
};

function decodeSummary(value: unknown): Summary | null {
  if (!Array.isArray(value) || value.length < 3 || value.length > 4) return null;
  const [key, version] = [readKey(value[0]), readVersion(value[1])];
  const kind = isCount(value[2]) ? KINDS[value[2]] : undefined;
  const since: unknown = value.length === 4 ? value[3] : null;
  if (key === null || version === null || kind === undefined || !(since === null || isCount(since))) return null;
  return { key, version, kind, since };
}

export function decodeDigestsQuestion(value: unknown): DigestsQuestion | null {
  const prefixes = isFields(value) ? listOf(value["prefixes"], QUESTION_PREFIXES_MAX, readPrefix) : null;
  return prefixes === null ? null : { prefixes };
}

export function decodeEntriesQuestion(value: unknown): EntriesQuestion | null {
  if (!isFields(value)) return null;
  const [prefix, after] = [readPrefix(value["prefix"]), readKey(value["after"])];
  return prefix === null || (after === null && value["after"] !== null) ? null : { prefix, after };
}

export function decodeVersionsQuestion(value: unknown): VersionsQuestion | null {
  const keys = isFields(value) ? listOf(value["keys"], QUESTION_KEYS_MAX, readKey) : null;
  // The answer has every key again.
  const bytes = keys?.reduce((sum, key) => sum + key.length, 0) ?? 0;
  return keys === null || bytes > QUESTION_KEY_BYTES_MAX ? null : { keys };
}

export function decodeFetchQuestion(value: unknown): FetchQuestion | null {
  const key = isFields(value) ? readKey(value["key"]) : null;
  if (key === null || !isFields(value) || !isCount(value["offset"])) return null;
  return { key, offset: value["offset"] };
}
