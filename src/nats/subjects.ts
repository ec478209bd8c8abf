/**
 * Every name on the wire is built here, so that one look tells what this program can touch.
 *
 *     $KV.<bucket>.<key>                      an entry, in the stream KV_<bucket> of a site's own NATS
 *     <subject>.<origin>.<key>                an operation, in the stream KVGW_<origin>_<bucket>
 *     kvgw_<site>_tail_<epoch>                consumer of a site on its own bucket
 *     kvgw_<site>_keys_<epoch>                consumer of a site that looks which keys its own bucket has
 *     kvgw_<reader>_from_<origin>_<epoch>     consumer of a reader on an origin's log
 *     kvgw_<site>_state_<hash>_<epoch>        consumer of a site on its own state
 *     kvgw_verify_<random>_<epoch>            consumer of one reading of a bucket by `kvgw verify`
 *     kvgw.<site>.<bucket>.<verb>             a question to a site's gateway about a bucket
 *     kvgw.<site>.<gateway>                   the question whether that gateway of the site is there
 *     kvgw.<site>.pulse                       the heartbeat: how far has the site's gateway logged these buckets
 *     kvgw.<site>.pulse-<gateway>             the same of that one gateway of the site, asked by the others that share
 *     $SRV.<verb>[.kvgw[.<id>]]               which services are there: what `nats micro` asks
 *     KVGW_<site>                             KV bucket with the site's durable state
 *
 * Stream plus consumer name is unique over all sites, because acknowledgements and names cross leaf nodes. Only the
 * origin's own stream may bind `<subject>.<origin>.>`, because ordinary subjects cross leaf nodes too.
 */
import type { BucketName, Key, SiteId } from "../core/ids.js";

export const bucketStream = (bucket: BucketName): string => `KV_${bucket}`;
/** Of all buckets, whosever they are. */
export const ANY_BUCKET = "$KV.>";
export const bucketPrefix = (bucket: BucketName): string => `$KV.${bucket}.`;

export const logStream = (site: SiteId, bucket: BucketName): string => `KVGW_${site}_${bucket}`;
export const logPrefix = (subject: string, site: SiteId): string => `${subject}.${site}.`;
/** Every subject of ours. Not `>`: asked for the last message of that, servers look at the stream's last sequence only,
 *  and find nothing once that message is gone. */
export const ANY_SUBJECT = "*.>";
export const everythingBelow = (prefix: string): string => `${prefix}>`;
export const subjectOf = (prefix: string, key: Key): string => prefix + key;

export const stateBucket = (site: SiteId): BucketName => `KVGW_${site}` as BucketName;

/** All consumers of one reader on one stream share this beginning; whoever starts removes the older ones. */
export const tailConsumers = (site: SiteId): string => `kvgw_${site}_tail_`;
export const bucketScanConsumers = (site: SiteId): string => `kvgw_${site}_keys_`;
export const scanConsumers = (site: SiteId): string => `kvgw_${site}_scan_`;
/** Of one reading of the state; `what` keeps readings apart that go on at once. */
export const stateConsumers = (site: SiteId, what: string): string => `kvgw_${site}_state_${what}_`;
export const logConsumers = (reader: SiteId, origin: SiteId): string => `kvgw_${reader}_from_${origin}_`;
/** One reading, by somebody who is no site: `random` makes the name unique over all sites and all who verify. */
export const verifyConsumers = (random: string): string => `kvgw_verify_${random}_`;

export const QUESTION_VERBS = ["hello", "digests", "entries", "versions", "fetch"] as const;
export type QuestionVerb = (typeof QUESTION_VERBS)[number];
export const questionSubject = (site: SiteId, bucket: BucketName, verb: QuestionVerb | "*"): string =>
  `kvgw.${site}.${bucket}.${verb}`;

/** One token fewer than a question about a bucket: the two never meet. */
export const presenceSubject = (site: SiteId, gateway: string): string => `kvgw.${site}.${gateway}`;
export const pulseSubject = (site: SiteId, gateway?: string): string =>
  gateway === undefined ? `kvgw.${site}.pulse` : `kvgw.${site}.pulse-${gateway}`;
/** Several gateways of a site answer in turn. */
export const ANSWERING_QUEUE = "kvgw";

/** The name of every gateway in the listing of services, and what such a listing is asked for on. */
export const SERVICE = "kvgw";
export const listingSubjects = (id: string): readonly string[] => ["$SRV.*", `$SRV.*.${SERVICE}`, `$SRV.*.${SERVICE}.${id}`];

/** How the reply subject of every delivered message begins. */
export const DELIVERY_PREFIX = "$JS.ACK.";
export const apiPrefix = (domain: string | null): string => (domain === null ? "$JS.API" : `$JS.${domain}.API`);
export const nextMessages = (domain: string | null, stream: string, consumer: string): string =>
  `${apiPrefix(domain)}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;

export const listConsumers = (domain: string | null, stream: string): string => `${apiPrefix(domain)}.CONSUMER.NAMES.${stream}`;

/** Header names. Ours begin with `Kvgw-`; of the server's only the listed ones are ever written. */
export const HEADER = {
  version: "Kvgw-Version",
  base: "Kvgw-Base",
  revision: "Kvgw-Revision",
  expires: "Kvgw-Expires",
  kvOperation: "KV-Operation",
  markerReason: "Nats-Marker-Reason",
  ttl: "Nats-TTL",
  rollup: "Nats-Rollup",
  expectedSequence: "Nats-Expected-Last-Sequence",
  expectedSubjectSequence: "Nats-Expected-Last-Subject-Sequence",
  /** Bytes of the whole value, of which an answer brings a part. */
  total: "Kvgw-Total",
  serviceError: "Nats-Service-Error",
  serviceErrorCode: "Nats-Service-Error-Code",
  pendingMessages: "Nats-Pending-Messages",
  pendingBytes: "Nats-Pending-Bytes",
  lastConsumer: "Nats-Last-Consumer",
  lastStream: "Nats-Last-Stream",
} as const;

/** The key behind a log's subject. The origin is the first token equal to its name, because a bucket's subject has no
 *  site name among its tokens: so an operation is still readable after the subject in the YAML has changed. */
export function keyOfLogSubject(subject: string, prefix: string, origin: SiteId): string {
  if (subject.startsWith(prefix)) return subject.slice(prefix.length);
  const mark = `.${origin}.`;
  const at = subject.indexOf(mark);
  return at < 0 ? "" : subject.slice(at + mark.length);
}
