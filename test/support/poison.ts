/** The corpus of bad operations (`test/pipeline/poison`): each as the subject, headers and payload of a message in a log. */
import { readFileSync, readdirSync } from "node:fs";
import type { SetAsideReason } from "../../src/core/ports.js";

/** A text, or one that is too long or too odd to stand in a file. */
type Text = string | { readonly repeat: string; readonly times: number } | { readonly base64: string };

interface Stored {
  readonly why: string;
  readonly format?: "raw" | "json";
  readonly key: Text;
  readonly headers: readonly (readonly [string, string])[];
  readonly payload: Text;
  readonly expect: SetAsideReason | "applied";
}

export interface Poison {
  /** What is wrong with it. */
  readonly why: string;
  readonly format: "raw" | "json";
  readonly key: string;
  /** As it stands on the wire; empty without headers. */
  readonly block: string;
  readonly payload: Buffer;
  readonly expect: SetAsideReason | "applied";
}

const FOLDER = new URL("../pipeline/poison/", import.meta.url);

export const poisonFiles: readonly string[] = readdirSync(FOLDER);

export function readPoison(file: string): Poison {
  const { why, format = "raw", key, headers, payload, expect } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8")) as Stored;
  return { why, format, key: bytesOf(key).toString(), block: blockOf(headers), payload: bytesOf(payload), expect };
}

function bytesOf(text: Text): Buffer {
  if (typeof text === "string") return Buffer.from(text);
  return "base64" in text ? Buffer.from(text.base64, "base64") : Buffer.from(text.repeat.repeat(text.times));
}

const blockOf = (headers: Stored["headers"]) =>
  headers.length === 0 ? "" : `NATS/1.0\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
