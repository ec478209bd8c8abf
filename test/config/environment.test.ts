import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replaceVariables } from "../../src/config/environment.js";
import { entry, parsed, problemsOf, withBuckets } from "./config-rig.js";

const replace = (text: string, env: Record<string, string> = {}) => replaceVariables(text, env);

const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,10}$/);
const value = fc.string();
/** Text without anything that begins a variable, also where two such texts meet. */
const plain = fc.string().map((text) => text.replaceAll("$", "").replaceAll("{", ""));

describe("variables in values", () => {
  it("are replaced wherever they stand, by exactly what the environment holds", () => {
    fc.assert(
      fc.property(plain, name, value, plain, (before, variable, held, after) => {
        const { data, findings } = replace(`${before}\${${variable}}${after}`, { [variable]: held });
        expect(data).toBe(before + held + after);
        expect(findings).toEqual([]);
      }),
    );
  });

  it("take their default if they are unset or empty, and only then", () => {
    fc.assert(
      fc.property(
        name,
        fc.option(value, { nil: undefined }),
        plain.map((text) => text.replaceAll("}", "")),
        (variable, held, fallback) => {
          const { data, findings } = replaceVariables(`\${${variable}:-${fallback}}`, { [variable]: held });
          expect(data).toBe(held === undefined || held === "" ? fallback : held);
          expect(findings).toEqual([]);
        },
      ),
    );
  });

  it("leave every text alone that names none", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("${")),
        (text) => {
          expect(replace(text, { HOME: "x" })).toEqual({ data: text, findings: [] });
        },
      ),
    );
  });

  it("can be written literally, whatever stands around", () => {
    fc.assert(
      fc.property(plain, plain, (before, after) => {
        expect(replace(`${before}$\${${after}`)).toEqual({ data: `${before}\${${after}`, findings: [] });
      }),
    );
  });

  it("are never looked up twice: what the environment holds is text", () => {
    expect(replace("${A}", { A: "${B} $${", B: "no" }).data).toBe("${B} $${");
  });

  it("are found in lists and maps, but not in names", () => {
    const data = { list: ["${A}", 1, null, true], map: { "${A}": "x ${A} y" } };
    const { data: replaced } = replaceVariables(data, { A: "a" });
    expect(JSON.parse(JSON.stringify(replaced))).toEqual({ list: ["a", 1, null, true], map: { "${A}": "x a y" } });
  });

  it("are never an inherited property of the environment", () => {
    expect(replace("${toString}").findings).toHaveLength(1);
    expect(replace("${constructor:-none}").data).toBe("none");
  });

  it.each([
    ["${NOPE}", "the environment variable NOPE is not set; set it, or give a default: ${NOPE:-default}"],
    ["${NOPE", "`${` begins a variable"],
    ["${}", "`${` begins a variable"],
    ["${1A}", "`${` begins a variable"],
    ["${A-b}", "`${` begins a variable"],
    ["${A:-${B}}", "the default of ${A} holds another variable"],
  ])("are told where they are wrong: %s", (text, message) => {
    const { findings } = replaceVariables({ a: [text] }, {});
    expect(findings).toEqual([{ path: ["a", 0], message: expect.stringContaining(message) as string }]);
  });

  it("cannot change what the file is made of", () => {
    const env = { KVGW_TEST_NAME: 'nats://a:4222", evil: "x' };
    const problems = problemsOf(withBuckets("config:").replace("nats://127.0.0.1:5222", "${KVGW_TEST_NAME}"), { env });
    expect(problems).toEqual([expect.stringContaining("sites.site-b.servers[0] | not a server address")]);
  });

  it("are not repeated where their shape is wrong: they may be anything, a secret too", () => {
    const env = { SECRET: "hunter2" };
    const text = withBuckets("a: { policy: '${SECRET}', tombstoneTtl: '${SECRET}' }\nb: { log: '${SECRET} x' }\n");
    const problems = problemsOf(text, { env });
    expect(problems).toHaveLength(3);
    expect(problems.join("\n")).not.toContain("hunter2");
    expect(problems[0]).toContain('found what "${SECRET}" gives');
  });

  it("may hold an address, or any other text", () => {
    const text = withBuckets("config: { subject: 'rep.${TEAM}.config' }");
    expect(entry(parsed(text, { env: { TEAM: "ops" } }).buckets, "config").subject).toBe("rep.ops.config");
  });
});
