/**
 * One text for one meaning: maps and objects in the order of their names, so that two values are equal if and only if
 * their texts are.
 */

export function canonicalText(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (value instanceof Map) return `map${entriesText([...(value as ReadonlyMap<string, unknown>)])}`;
  return entriesText(Object.entries(value));
}

export const sameMeaning = (a: unknown, b: unknown): boolean => a === b || canonicalText(a) === canonicalText(b);

function entriesText(entries: [string, unknown][]): string {
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${canonicalText(value)}`).join(",")}}`;
}
