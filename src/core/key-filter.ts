/**
 * Which keys of a bucket take part: NATS wildcards, `*` for one token, a last `>` for one or more. What is excluded is
 * neither sent nor applied nor deleted.
 */
export interface KeyPatterns {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

export type KeyFilter = (key: string) => boolean;

export function createKeyFilter(patterns: KeyPatterns): KeyFilter {
  if (patterns.exclude.length === 0 && patterns.include.includes(">")) return () => true;
  const include = patterns.include.map(compile);
  const exclude = patterns.exclude.map(compile);
  return (key) => {
    const tokens = key.split(".");
    return include.some((matches) => matches(tokens)) && !exclude.some((matches) => matches(tokens));
  };
}

function compile(pattern: string): (tokens: readonly string[]) => boolean {
  const parts = pattern.split(".");
  const open = parts.at(-1) === ">";
  const fixed = open ? parts.slice(0, -1) : parts;
  return (tokens) => {
    if (open ? tokens.length <= fixed.length : tokens.length !== fixed.length) return false;
    return fixed.every((part, index) => part === "*" || part === tokens[index]);
  };
}
