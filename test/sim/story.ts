/** Tells what happened to one key in a run, line by line, for a person who wants to know why. */
import type { Happening, Violation } from "./history.js";
import { describe, readHeaders } from "./checker/wire.js";
import type { Plan } from "./plan.js";
import type { RunResult } from "./run.js";

const LINES_MAX = 200;

export function tellStory({ mix, seed, writes, faults }: Plan, { history, violations }: RunResult, property: string): string[] {
  const found = violations.find((violation) => violation.property === property) ?? violations[0];
  if (found === undefined) return ["it does not fail any more"];
  const lines = history.flatMap((happening) => {
    const text = concerns(happening, found) ? tell(happening) : null;
    return text === null ? [] : [`${(happening.ms / 1_000).toFixed(3).padStart(9)}  ${text}`];
  });
  return [
    `seed ${seed}: ${found.property}: ${where(found)}: ${found.message}`,
    `${mix.sites.length} sites, ${mix.buckets.length} buckets, ${writes.length} writes, ${faults.length} faults`,
    `mix ${JSON.stringify(mix)}`,
    ...lines.slice(0, LINES_MAX),
    ...(lines.length > LINES_MAX ? [`… ${lines.length - LINES_MAX} more`] : []),
  ];
}

const where = ({ site, bucket, key }: Violation) => [site, bucket, key].filter((part) => part !== null).join(" ");

export function concerns(happening: Happening, { bucket, key }: Violation): boolean {
  const [ofBucket, ofKey] = ["bucket" in happening ? happening.bucket : null, "key" in happening ? happening.key : null];
  if (happening.what === "saved") return bucket === null || happening.key.split(".")[1] === bucket;
  return (bucket === null || ofBucket === null || ofBucket === bucket) && (key === null || ofKey === null || ofKey === key);
}

export function tell(happening: Happening): string | null {
  switch (happening.what) {
    case "called": {
      const { op, site, bucket, key, kind, value, expected } = happening;
      const condition = expected === null ? "" : ` if at ${expected}`;
      return `${site}  client  write ${op}: ${kind} ${bucket} ${key} ${JSON.stringify(value)}${condition}`;
    }
    case "answered":
      return `   client  write ${happening.op} is ${happening.outcome}${happening.revision > 0 ? ` at ${happening.revision}` : ""}`;
    case "stored": {
      const { version, kind, identity, base } = readHeaders(happening.block);
      const by = happening.op === null ? "" : ` (write ${happening.op})`;
      const facts = [describe(version), identity === null ? "" : `from ${identity}`, base === null ? "" : `base ${describe(base)}`];
      const what = `${kind} ${happening.key} ${JSON.stringify(happening.value)} #${happening.sequence}`;
      return `${happening.site}  ${happening.place}  ${happening.bucket}: ${what} ${facts.join(" ").trim()}${by}`;
    }
    case "removed":
      return `${happening.site}  ${happening.place}  ${happening.bucket}: ${happening.key} #${happening.sequence} is ${happening.why}`;
    case "lost":
      return `${happening.site}  ${happening.place}  ${happening.bucket}: everything after #${happening.sequence} is lost${isBack(happening)}`;
    case "excluding":
      return happening.keys.length === 0 ? null : `${happening.site}  config  without ${happening.keys.join(", ")}`;
    case "saved":
      return `${happening.site}  state  ${happening.key} = ${happening.text}`;
    case "fault":
      return `!  ${happening.name}: ${happening.note}`;
    case "gone":
      return `${happening.site}  gateway ${happening.life} is gone`;
    case "gateway":
      return `${happening.site}  gateway ${happening.life}${happening.bucket === null ? "" : `  ${happening.bucket}`}: ${happening.note}`;
    case "phase":
      return `── ${happening.phase}`;
    case "final": {
      const { site, bucket, key, sequence, value, block } = happening;
      const { version, kind } = readHeaders(block);
      return `${site}  final  ${bucket}: ${kind} ${key} ${JSON.stringify(value)} #${sequence} ${describe(version)}`;
    }
  }
}

const isBack = ({ back = [] }: { readonly back?: readonly number[] }): string => (back.length === 0 ? "" : `, and #${back.join(", #")} back`);
