/** Everything comes to rest, with every bucket live; an idle system writes nothing (I13); a bucket's trouble is its own
 *  (I9); and no gateway ever reports a bug of itself. */
import type { GatewayTold, Happening, Violation } from "../history.js";
import { type Ledger, violation } from "./ledger.js";

export function checkCalm({ history, setup }: Ledger): Violation[] {
  return [...checkRest(history), ...checkIdle(history), ...(setup.onlyBucketFaults ? checkIsolation(history) : []), ...checkBugs(history)];
}

function checkRest(history: readonly Happening[]): Violation[] {
  const phases = new Set(history.flatMap((happening) => (happening.what === "phase" ? [happening.phase] : [])));
  if (!phases.has("over")) return [];
  const restless = phases.has("idle") ? [] : [violation("everything comes to rest", {}, "it was not equal and still within the time")];
  const last = new Map<string, GatewayTold>();
  for (const told of history) {
    if (told.what === "phase" && told.phase === "over") break;
    if (told.what === "gateway" && told.state !== null) last.set(`${told.site} ${told.bucket ?? ""} ${told.life}`, told);
    // What a process was in when it ended is nothing that anybody is in.
    if (told.what === "gone") for (const [of, { site, life }] of last) if (site === told.site && life === told.life) last.delete(of);
  }
  const notLive = [...last.values()].filter(({ state }) => state !== "live");
  return [...restless, ...notLive.map((told) => violation("every bucket is live in the end", told, told.note))];
}

function checkIdle(history: readonly Happening[]): Violation[] {
  const phaseAt = (wanted: string) => history.findIndex((happening) => happening.what === "phase" && happening.phase === wanted);
  const [from, to] = [phaseAt("idle"), phaseAt("over")];
  if (from < 0) return [];
  // Then whoever looks at everything that was stored may hold up whoever has to answer.
  return history.slice(from, to < 0 ? history.length : to).flatMap((happening) => {
    if (happening.what === "stored") return [violation("idle writes nothing", happening, `the ${happening.place} took a message`)];
    if (happening.what === "saved") return [violation("idle writes nothing", { site: happening.site }, `saved ${happening.key}`)];
    return [];
  });
}

const TROUBLE: ReadonlySet<string | null> = new Set(["degraded", "parked"]);

function checkIsolation(history: readonly Happening[]): Violation[] {
  const struck = new Set<string | null>();
  return history.flatMap((happening) => {
    if (happening.what === "fault") struck.add(happening.bucket);
    if (happening.what !== "gateway" || !TROUBLE.has(happening.state) || struck.has(happening.bucket)) return [];
    return [violation("buckets are isolated", happening, `${happening.note}, though only other buckets were struck`)];
  });
}

function checkBugs(history: readonly Happening[]): Violation[] {
  const isBug = (happening: Happening): happening is GatewayTold => happening.what === "gateway" && happening.code === "KVGW_INTERNAL";
  return history.filter(isBug).map((told) => violation("no bug is reported", told, told.note));
}
