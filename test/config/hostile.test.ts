/**
 * Texts that want to hold or crash the process, or to mean something else than they seem to. Each is refused with a
 * place and a sentence.
 */
import { describe, expect, it } from "vitest";
import { parsed, problemsOf, withBuckets } from "./config-rig.js";

const GOOD = withBuckets("config:");

describe("a text that is no config", () => {
  it.each([
    ["empty", "", "1:1 - | the file is empty; a configuration begins with"],
    ["only blanks", "\n  \n", "1:1 - | the file is empty"],
    ["only comments", "# version: 1\n# sites:\n", "1:1 - | the file holds only comments"],
    ["only a document mark", "---\n", "1:1 - | the file holds only comments"],
    ["a word", "hello\n", "1:1 - | expected settings such as `version: 1`"],
    ["nothing but null", "~\n", "1:1 - | expected settings such as `version: 1`"],
    ["UTF-16 without its mark", Buffer.from(GOOD, "utf16le").toString("utf8"), "1:2 - | holds a NUL byte: UTF-16"],
    ["binary", "version: 1\nsite: \0\n", "2:7 - | holds a NUL byte"],
  ])("is refused: %s", (_what, text, problem) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
  });

  it("may begin with a UTF-8 byte order mark, which shifts no column", () => {
    expect(parsed(`\uFEFF${GOOD}`).site).toBe("site-a");
    expect(problemsOf('\uFEFFversion: 2\nsites: { a: { servers: ["nats://a"] } }\nsite: a\nbuckets: {}')[0]).toContain(
      "1:10 version | ",
    );
  });

  it("may end its lines as Windows does", () => {
    expect(parsed(GOOD.replaceAll("\n", "\r\n")).buckets.size).toBe(1);
  });
});

describe("a text that is too much", () => {
  it.each([
    ["100 MB", () => "#".repeat(100_000_000), "larger than 4 MiB"],
    ["4 MiB of characters of three bytes", () => "€".repeat(2_000_000), "larger than 4 MiB"],
    ["10,000 lists in lists", () => "[".repeat(10_000), "nested more than 32 levels deep"],
    ["10,000 maps in maps", () => "{a: ".repeat(10_000), "nested more than 32 levels deep"],
    ["10,000 dashes", () => "- ".repeat(10_000), "nested more than 32 levels deep"],
    [
      "1,000 levels of indentation",
      () => Array.from({ length: 1000 }, (_, n) => `${" ".repeat(n)}a:`).join("\n"),
      "nested more",
    ],
    ["a million brackets that close nothing", () => "}".repeat(1_000_000), "not YAML"],
    ["two million entries", () => `a: [1${",1".repeat(2_000_000)}]`, "too long"],
    ["300,000 lines of text", () => "word\n".repeat(300_000), "found"],
  ])("is refused: %s", (_what, text, message) => {
    const problems = problemsOf(text());
    expect(problems.length).toBeLessThanOrEqual(101);
    expect(problems[0]).toContain(message);
  });
});

describe("aliases", () => {
  it("may repeat a value", () => {
    const config = parsed(
      withBuckets(
        "a: &common { paused: true, keys: { include: [&all '>'] } }\nb: *common\nc: { keys: { include: [*all] } }",
      ),
    );
    expect([...config.buckets.values()].map(({ paused }) => paused)).toEqual([true, true, false]);
  });

  it("mean the last anchor before them, also inside another alias", () => {
    const text = withBuckets("a: &x { paused: &p true }\nb: { paused: &p false }\nc: *x\nd: { paused: *p }");
    const config = parsed(text);
    expect([...config.buckets.values()].map(({ paused }) => paused)).toEqual([true, false, true, false]);
  });

  it("lead problems back to the anchor, where they are to be mended", () => {
    const problems = problemsOf(withBuckets("a: &common\n  polcy: lww\nb: *common"));
    expect(problems.map((problem) => problem.split(" |")[0])).toEqual(["11:5 buckets.a.polcy", "11:5 buckets.b.polcy"]);
  });

  it("are refused as a bomb: nine to the power of nine", () => {
    const levels = [..."bcdefghij"].map(
      (name, n) => `${name}: &${name} [${Array(9).fill(`*${"abcdefghi"[n]}`).join(",")}]`,
    );
    const problems = problemsOf(`a: &a [x,x,x,x,x,x,x,x,x]\n${levels.join("\n")}\n`);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain("more values than any configuration has, aliases included");
  });

  it("are refused in masses, in depth and in circles", () => {
    expect(problemsOf(`a: &a x\nb: [*a${", *a".repeat(200)}]`)).toEqual([
      expect.stringContaining("more than 100 aliases"),
    ]);
    const chain = Array.from({ length: 40 }, (_, n) => `k${n + 1}: &k${n + 1} [*k${n}]`);
    expect(problemsOf(`k0: &k0 x\n${chain.join("\n")}\n`)).toEqual([
      expect.stringContaining("more than 32 levels deep"),
    ]);
    expect(problemsOf("a: &a { b: [*a] }")).toEqual(["1:13 a.b[0] | the alias *a leads back to itself"]);
  });
});

describe("names that mean something to JavaScript", () => {
  it("cannot stand anywhere, and change no object", () => {
    const problems = problemsOf(withBuckets("config: { __proto__: { paused: true } }\nconstructor: {}\nprototype: {}"));
    expect(problems.map((problem) => problem.split(" |")[0])).toEqual([
      "10:13 buckets.config.__proto__",
      "11:3 buckets.constructor",
      "12:3 buckets.prototype",
    ]);
    expect(({} as { paused?: boolean }).paused).toBeUndefined();
  });

  it.each(["hasOwnProperty", "valueOf", "__defineGetter__"])("cannot be a bucket's: %s", (name) => {
    expect(problemsOf(withBuckets(`${name}: {}`))).toEqual([
      expect.stringContaining(`a bucket cannot be called ${name}`),
    ]);
    expect(problemsOf(withBuckets(`config: { sites: { site-b: { bucket: ${name} } } }`))).toHaveLength(1);
  });
});

describe("values that other YAML versions take for something else", () => {
  it("are what they look like: no is a name, 12:30 is text", () => {
    const config = parsed(
      'version: 1\nsite: no\nsites: { no: { servers: ["nats://a:4222"], tls: { serverName: 12:30:45 } } }\nbuckets: { yes: , off: }',
    );
    expect([...config.buckets.keys()].sort()).toEqual(["off", "yes"]);
    expect(config.sites.get(config.site)?.tls).toEqual({ serverName: "12:30:45" });
  });

  it("are refused where a number or a truth is wanted", () => {
    expect(
      problemsOf(withBuckets("config: { paused: on, limits: { inFlight: 1_000, opsPerSecond: .inf } }")),
    ).toHaveLength(3);
  });
});
