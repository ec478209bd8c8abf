/** A site that answers as a test says: nothing is known of anything unless the test says more. */
import type { Digest } from "../../src/core/digest.js";
import { type Operation } from "../../src/core/operation.js";
import type { Questions } from "../../src/core/ports.js";
import { type Hello, PROTOCOL } from "../../src/core/question.js";
import { siteNamed } from "../core/names.js";
import { PEER, SITE } from "./rigs.js";

export const EMPTY: Digest = { count: 0, sum: "0".repeat(32) };
export const NO_PARTS: readonly Digest[] = Array.from({ length: 16 }, () => EMPTY);

export const helloOf = (more: Partial<Hello> = {}): Hello => ({
  protocol: PROTOCOL,
  site: PEER,
  fingerprint: "f".repeat(32),
  nowUs: 1_730_542_200_000_000,
  log: { created: "1730542200000000000", sequence: 7 },
  checkpoints: new Map([
    [SITE, { created: "1730542200000000001", sequence: 0 }],
    [siteNamed("constructor"), { created: "0", sequence: Number.MAX_SAFE_INTEGER }],
  ]),
  moment: { run: "0a1b2c3d4e5f", count: 17 },
  equal: new Map([[SITE, { run: "f0", count: Number.MAX_SAFE_INTEGER }]]),
  digest: { count: 3, sum: "0123456789abcdef".repeat(2) },
  ...more,
});

export const answersWith = (more: Partial<Questions> = {}): Questions => ({
  hello: () => Promise.resolve(helloOf()),
  digests: (prefixes) => Promise.resolve(prefixes.map(() => NO_PARTS)),
  entries: () => Promise.resolve({ summaries: [], more: false }),
  versions: (keys) => Promise.resolve(keys.map(() => null)),
  fetch: () => Promise.resolve(null),
  ...more,
});

/** With the value as plain bytes, whatever carries them: what is compared is every byte and every field. */
export const plain = (operation: Operation | null): object | null =>
  operation === null ? null : { ...operation, value: Buffer.from(operation.value).toString("latin1") };
