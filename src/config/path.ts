/**
 * Where something stands in a config, and what is to be said about it there. A finding knows no line: it is made from
 * data alone, and `source.ts` turns it into a problem of the file.
 */

export type ConfigPath = readonly (string | number)[];

export interface Finding {
  readonly path: ConfigPath;
  /** What is wrong and what would be right. */
  readonly message: string;
  /** Points at the name of the setting instead of its value. */
  readonly atKey?: boolean;
}

const PLAIN_NAME = /^[A-Za-z0-9_-]+$/;

/** Such as `buckets.config.policy`, `sites.site-a.servers[0]`, `buckets["a b"].policy`; empty for the whole text. */
export function formatPath(path: ConfigPath): string {
  let text = "";
  for (const segment of path) {
    if (typeof segment === "number") text += `[${segment}]`;
    else if (!PLAIN_NAME.test(segment)) text += `[${JSON.stringify(segment)}]`;
    else text += text === "" ? segment : `.${segment}`;
  }
  return text;
}

/** The value at a path of plain data; undefined where the path leads nowhere. */
export function valueAt(data: unknown, path: ConfigPath): unknown {
  let value: unknown = data;
  for (const segment of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}

/** Whether `path` is `base` or lies below it. */
export function isWithin(path: ConfigPath, base: ConfigPath): boolean {
  return base.length <= path.length && base.every((segment, index) => segment === path[index]);
}
