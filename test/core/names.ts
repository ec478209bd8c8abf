/** Checked names from literals, for tests: a wrong literal is a mistake of the test and throws. */
import { type BucketName, type Key, type SiteId, parseBucketName, parseKey, parseSiteId } from "../../src/core/ids.js";
import type { Result } from "../../src/core/result.js";

export const siteNamed = (text: string): SiteId => checked(text, parseSiteId(text));
export const bucketNamed = (text: string): BucketName => checked(text, parseBucketName(text));
export const keyNamed = (text: string): Key => checked(text, parseKey(text));

function checked<T>(text: string, parsed: Result<T, string>): T {
  if (parsed.ok) return parsed.value;
  throw new Error(`${JSON.stringify(text)} is no such name: ${parsed.error}`);
}
