/**
 * Bad configs as files. Each begins with every problem that it must give, and gives no other:
 * `# expect LINE:COLUMN PATH | beginning or part of the message`, with `-` for the text as a whole.
 */
import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseWith } from "./config-rig.js";

const FOLDER = new URL("corpus/", import.meta.url);
const EXPECTED = /^# expect (\d+):(\d+) (.+?) \| (.+)$/gm;

interface Expected {
  readonly place: string;
  readonly part: string;
}

function expectedIn(text: string): readonly Expected[] {
  return [...text.matchAll(EXPECTED)].map(([, line, column, path, part = ""]) => ({
    place: `${line}:${column} ${path}`,
    part,
  }));
}

const files = readdirSync(FOLDER);

describe("every bad config of the corpus", () => {
  it("says what must be found in it", () => {
    expect(files.length).toBeGreaterThan(30);
    const silent = files.filter((file) => expectedIn(readFileSync(new URL(file, FOLDER), "utf8")).length === 0);
    expect(silent).toEqual([]);
  });

  it.each(files)("gives exactly its problems, each at its place: %s", (file) => {
    const text = readFileSync(new URL(file, FOLDER), "utf8");
    const expected = expectedIn(text);
    const result = parseWith(text, { file });
    const problems = result.ok ? [] : result.error;
    expect(problems.map(({ line, column, path }) => `${line}:${column} ${path === "" ? "-" : path}`)).toEqual(
      expected.map(({ place }) => place),
    );
    problems.forEach(({ message }, index) => expect(message).toContain(expected[index]?.part));
    expect(problems.every((problem) => problem.file === file)).toBe(true);
  });

  it.each(files)("repeats no secret: %s", (file) => {
    const result = parseWith(readFileSync(new URL(file, FOLDER), "utf8"), { file });
    expect(JSON.stringify(result)).not.toContain("hunter2");
  });
});
