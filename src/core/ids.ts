/**
 * The names that everything else is built from. A branded string has passed its parser once, so no later layer
 * checks it again; an unchecked string cannot be passed where a name is wanted.
 *
 * Site names have no underscore: they stand between underscores in stream and consumer names, which stay unambiguous.
 */
import { type Result, err, ok } from "./result.js";
import { KEY_LENGTH_MAX, SITE_NAME_LENGTH_MAX } from "./limits.js";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type SiteId = Branded<"SiteId">;
export type BucketName = Branded<"BucketName">;
export type Key = Branded<"Key">;

/** Position in a bucket's stream; 0 means that the key has no message. */
export type Revision = number;
/** Position in an operation log; 0 means before the first operation. */
export type Sequence = number;

const SITE = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const BUCKET = /^[A-Za-z0-9_-]+$/;
const KEY = /^[-/_=.A-Za-z0-9]+$/;

export function parseSiteId(text: string): Result<SiteId, string> {
  if (text.length > SITE_NAME_LENGTH_MAX) return err(`at most ${SITE_NAME_LENGTH_MAX} characters`);
  return SITE.test(text) ? ok(text as SiteId) : err("lower-case letters, digits and inner hyphens only");
}

export function parseBucketName(text: string): Result<BucketName, string> {
  return BUCKET.test(text) ? ok(text as BucketName) : err("letters, digits, '_' and '-' only");
}

/** Keys as the NATS KV specification (ADR-8) allows them. */
export function parseKey(text: string): Result<Key, string> {
  return isKey(text) ? ok(text) : err("letters, digits and - / _ = . only, no empty token between dots");
}

export function isKey(text: string): text is Key {
  if (text.length === 0 || text.length > KEY_LENGTH_MAX || !KEY.test(text)) return false;
  return !text.startsWith(".") && !text.endsWith(".") && !text.includes("..");
}
