/** The filter means what NATS means: held against a plain reading of the rule here, and against a server below. */
import { connect } from "@nats-io/transport-node";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createKeyFilter } from "../../src/core/key-filter.js";
import { startNatsServer } from "../support/nats-server.js";

const token = fc.constantFrom("a", "b", "c");
const anyKey = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join("."));
const anyPattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { minLength: 0, maxLength: 3 }), fc.boolean())
  .filter(([tokens, open]) => open || tokens.length > 0)
  .map(([tokens, open]) => [...tokens, ...(open ? [">"] : [])].join("."));

/** NATS's rule, token by token. */
function matches([part, ...parts]: readonly string[], [first, ...rest]: readonly string[]): boolean {
  if (part === undefined || first === undefined) return part === first;
  if (part === ">") return true;
  return (part === "*" || part === first) && matches(parts, rest);
}

describe("a key filter", () => {
  it("lets every key pass by default", () => {
    const all = createKeyFilter({ include: [">"], exclude: [] });
    for (const key of ["a", "a.b.c", "/", "__proto__"]) expect(all(key), key).toBe(true);
  });

  it("takes * for exactly one token and a last > for one or more", () => {
    const include = (...patterns: string[]) => createKeyFilter({ include: patterns, exclude: [] });
    expect(["a.b", "a.c", "a", "a.b.c", "b.a"].filter(include("a.*"))).toEqual(["a.b", "a.c"]);
    expect(["a", "a.b", "a.b.c", "ab.c"].filter(include("a.>"))).toEqual(["a.b", "a.b.c"]);
    expect(["a.x.c", "a.c", "a.x.y.c"].filter(include("a.*.c"))).toEqual(["a.x.c"]);
    expect(["a", "a.b"].filter(include("*"))).toEqual(["a"]);
    expect(["a", "a.b", "a.b.c"].filter(include("*.>"))).toEqual(["a.b", "a.b.c"]);
    expect(["a.b", "A.b", "a.B"].filter(include("a.b"))).toEqual(["a.b"]);
  });

  it("gives exclusion the last word", () => {
    const filter = createKeyFilter({ include: [">", "tmp.keep"], exclude: ["tmp.>", "secret"] });
    expect(["a", "tmp", "tmp.x", "tmp.keep", "secret", "secret.x"].filter(filter)).toEqual(["a", "tmp", "secret.x"]);
  });

  it("includes nothing where nothing is listed", () => {
    expect(["a", "a.b"].filter(createKeyFilter({ include: [], exclude: [] }))).toEqual([]);
  });

  it("agrees with the rule for any patterns and any key", () => {
    fc.assert(
      fc.property(
        fc.array(anyPattern, { maxLength: 3 }),
        fc.array(anyPattern, { maxLength: 3 }),
        anyKey,
        (include, exclude, key) => {
          const any = (patterns: readonly string[]) =>
            patterns.some((pattern) => matches(pattern.split("."), key.split(".")));
          expect(createKeyFilter({ include, exclude })(key)).toBe(any(include) && !any(exclude));
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it("agrees with a server about every pattern over short keys", async () => {
    const parts = ["a", "b", "*"];
    const heads = parts.flatMap((one) => [one, ...parts.map((two) => `${one}.${two}`)]);
    const patterns = [">", ...heads, ...heads.map((head) => `${head}.>`)];
    const names = ["a", "b"];
    const keys = names.flatMap((x) => [x, ...names.flatMap((y) => [`${x}.${y}`, ...names.map((z) => `${x}.${y}.${z}`)])]);
    const server = await startNatsServer();
    const connection = await connect({ servers: server.url });
    try {
      const received = new Map<string, string[]>(patterns.map((pattern) => [pattern, []]));
      for (const pattern of patterns) {
        const callback = (_: unknown, { subject }: { subject: string }) =>
          void received.get(pattern)?.push(subject.slice(5));
        connection.subscribe(`keys.${pattern}`, { callback });
      }
      for (const key of keys) connection.publish(`keys.${key}`);
      await connection.flush();
      for (const pattern of patterns) {
        expect(keys.filter(createKeyFilter({ include: [pattern], exclude: [] })), pattern).toEqual(received.get(pattern));
      }
    } finally {
      await connection.close();
      await server.dispose();
    }
  });
});
