/** The wire as the checker reads it: on its own, so that a mistake of the product's readers is not made twice. */
import type { Message, WriteKind } from "../history.js";

export interface Version {
  readonly ts: number;
  readonly site: string;
}

export interface Headers {
  readonly version: Version | null;
  readonly base: Version | null;
  /** `<bucket's creation> <revision> <timestamp>`: which message an operation was captured from. */
  readonly identity: string | null;
  readonly expiresUs: number | null;
  readonly kind: WriteKind;
  /** The server wrote it: an expiry. */
  readonly marker: boolean;
}

const PLAIN: Headers = { version: null, base: null, identity: null, expiresUs: null, kind: "put", marker: false };

export function readHeaders(block: string): Headers {
  if (block === "") return PLAIN;
  const lines = new Map<string, string>();
  for (const line of block.split("\r\n").slice(1)) {
    const colon = line.indexOf(":");
    if (colon > 0) lines.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  const operation = lines.get("KV-Operation");
  return {
    version: readVersion(lines.get("Kvgw-Version")),
    base: readVersion(lines.get("Kvgw-Base")),
    identity: lines.get("Kvgw-Revision") ?? null,
    expiresUs: lines.has("Kvgw-Expires") ? Number(lines.get("Kvgw-Expires")) : null,
    kind: operation === "DEL" ? "delete" : operation === "PURGE" ? "purge" : "put",
    marker: lines.has("Nats-Marker-Reason"),
  };
}

function readVersion(text: string | undefined): Version | null {
  const [ts = "", site = ""] = (text ?? "").split(" ");
  return site === "" ? null : { ts: Number(ts), site };
}

/** Positive when `a` is newer. */
export function compare(a: Version, b: Version): number {
  if (a.ts !== b.ts) return a.ts - b.ts;
  return a.site === b.site ? 0 : a.site < b.site ? -1 : 1;
}

export const describe = (version: Version | null): string => (version === null ? "no version" : `${version.ts} ${version.site}`);

/** The value behind an operation's payload. */
export function valueOfOperation(message: Pick<Message, "value">, format: "raw" | "json"): string {
  if (format === "raw") return message.value;
  const { value, value_base64: base64 } = JSON.parse(Buffer.from(message.value, "latin1").toString("utf8")) as {
    value?: string;
    value_base64?: string;
  };
  if (base64 !== undefined) return Buffer.from(base64, "base64").toString("latin1");
  return Buffer.from(value ?? "", "utf8").toString("latin1");
}

/** Whether a key takes part in a bucket: NATS wildcards. */
export function takesPart(key: string, { include, exclude }: { include: readonly string[]; exclude: readonly string[] }): boolean {
  const tokens = key.split(".");
  const fits = (pattern: string): boolean => {
    const parts = pattern.split(".");
    for (const [index, part] of parts.entries()) {
      if (part === ">") return tokens.length > index;
      if (tokens[index] === undefined || (part !== "*" && part !== tokens[index])) return false;
    }
    return parts.length === tokens.length;
  };
  return include.some(fits) && !exclude.some(fits);
}
