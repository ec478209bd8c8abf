/**
 * Subjects and key filters as NATS takes them. Two buckets whose subjects contain one another would store and read each
 * other's operations, so no subject may be another's beginning, token by token.
 */
import type { ConfigFile } from "./schema-types.js";
import type { ConfigPath, Finding } from "./path.js";
import { defaultSubject, ownSettings } from "./settings.js";
import { showText } from "./show.js";

const TOKEN = /^[^\s.*>\u0000-\u001f\u007f]+$/;
const KEY_TOKEN = /^[-/_=A-Za-z0-9]+$/;

/** What is wrong with a replication subject; null if nothing is. */
export function subjectFlaw(subject: string): string | null {
  if (/[*>]/.test(subject)) return "a replication subject names one place; wildcards (* >) are not allowed in it";
  const tokens = subject.split(".");
  if (tokens.includes("")) return "it has an empty part; write single dots, and none at its ends";
  if (!tokens.every((token) => TOKEN.test(token))) return "spaces and control characters are not allowed in it";
  if (/^[$_]/.test(subject)) return "subjects that begin with $ or _ belong to NATS itself; begin it with a letter";
  return tokens[0] === "kvgw"
    ? "subjects below kvgw. are the gateways' own; choose another, such as rep.kv.ops.NAME"
    : null;
}

/** What is wrong with a key filter; null if nothing is. */
export function keyPatternFlaw(pattern: string): string | null {
  const tokens = pattern.split(".");
  if (tokens.includes("")) return "it has an empty part; write single dots, and none at its ends";
  if (tokens.slice(0, -1).includes(">")) return "`>` stands for the rest of a key, so it can only be the last part";
  const odd = tokens.find((token) => token !== "*" && token !== ">" && !KEY_TOKEN.test(token));
  if (odd === undefined) return null;
  if (/[*>]/.test(odd)) return "`*` and `>` stand for whole parts between dots, not for pieces of them";
  return "keys hold letters, digits and - / _ = only, with dots between their parts";
}

/** An operation's subject goes on with its origin's name: the first part that equals it must be that one, or an
 *  operation cannot be read any more once a bucket's subject has been changed. */
function siteFlaw(subject: string, file: ConfigFile): string | null {
  const site = subject.split(".").find((token) => Object.hasOwn(file.sites, token));
  return site === undefined ? null : `its part ${showText(site)} is the name of a site; choose a subject without site names`;
}

export function checkSubjects(file: ConfigFile): readonly Finding[] {
  const findings: Finding[] = [];
  const bySubject = new Map<string, string>();
  for (const name of Object.keys(file.buckets)) {
    const subject = subjectOf(file, name);
    const flaw = subjectFlaw(subject) ?? siteFlaw(subject, file);
    const twin = bySubject.get(subject);
    const message = flaw ?? `bucket ${twin} has this subject, too; every bucket needs its own`;
    if (flaw !== null || twin !== undefined)
      findings.push({ path: subjectPath(file, name), message: `${showText(subject)}: ${message}` });
    else bySubject.set(subject, name);
  }
  return [...findings, ...checkContainment(file, bySubject)];
}

function checkContainment(file: ConfigFile, bySubject: ReadonlyMap<string, string>): readonly Finding[] {
  return [...bySubject].flatMap(([subject, name]) => {
    const outer = beginningsOf(subject).find((beginning) => bySubject.has(beginning));
    if (outer === undefined) return [];
    const message =
      `${showText(subject)} lies within ${showText(outer)} of bucket ${bySubject.get(outer)}, ` +
      "which would read this bucket's operations; no subject may be another's beginning";
    return [{ path: subjectPath(file, name), message }];
  });
}

/** Of `a.b.c`: `a`, `a.b`. */
function beginningsOf(subject: string): readonly string[] {
  const tokens = subject.split(".");
  return tokens.slice(1).map((_, index) => tokens.slice(0, index + 1).join("."));
}

const subjectOf = (file: ConfigFile, bucket: string): string =>
  ownSettings(file, bucket).subject ?? defaultSubject(bucket);

const subjectPath = (file: ConfigFile, bucket: string): ConfigPath =>
  ownSettings(file, bucket).subject === undefined ? ["buckets", bucket] : ["buckets", bucket, "subject"];
