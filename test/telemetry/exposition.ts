/**
 * A strict reader of the Prometheus text format: it throws on whatever a scraper could stumble over, so that a test
 * which reads a text also proves that it can be read.
 */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly samples: Sample[];
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;
const TYPES = ["counter", "gauge", "histogram", "summary"];

export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const families = new Map<string, Family>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  let current = "";
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const comment = COMMENT.exec(line);
    if (comment?.[1] === "HELP") {
      addOnce(helped, comment[2] ?? "", line);
    } else if (comment?.[1] === "TYPE") {
      current = comment[2] ?? "";
      if (families.has(current) || !TYPES.includes(comment[3] ?? "")) throw new Error(`bad or second type: ${line}`);
      families.set(current, { type: comment[3] ?? "", samples: [] });
    } else {
      const sample = parseSample(line);
      const family = families.get(current);
      if (family === undefined || !belongs(sample.name, current, family.type)) throw new Error(`no type: ${line}`);
      addOnce(seen, `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`, line);
      family.samples.push(sample);
    }
  }
  return families;
}

function parseSample(line: string): Sample {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  if (name === "") throw new Error(`not a sample: ${line}`);
  return { name, labels: parseLabels(labels, line), value: Number(value.replace("Inf", "Infinity")) };
}

function parseLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  let end = 0;
  for (let match = LABEL.exec(text); match !== null; match = LABEL.exec(text)) {
    const [, name = "", value = ""] = match;
    if (name in labels) throw new Error(`label twice: ${line}`);
    labels[name] = value.replace(/\\(.)/g, (_whole, escaped: string) => (escaped === "n" ? "\n" : escaped));
    end = LABEL.lastIndex;
  }
  if (end !== text.length) throw new Error(`bad labels: ${line}`);
  return labels;
}

function belongs(sample: string, family: string, type: string): boolean {
  if (sample === family) return type !== "histogram";
  return type === "histogram" && ["_bucket", "_sum", "_count"].some((suffix) => sample === family + suffix);
}

function addOnce(set: Set<string>, entry: string, line: string): void {
  if (set.has(entry)) throw new Error(`twice: ${line}`);
  set.add(entry);
}
