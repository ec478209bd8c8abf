/**
 * Watching real files in temporary folders. Where events must do the work, the slow look is set far away; where it must,
 * the change is made where no event can come from.
 */
import { writeFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type WatchOptions, watchConfigFile } from "../../src/config/file.js";
import { eventually } from "../support/eventually.js";

/** The slow look comes only when a test asks for it with `lookNow`. */
const FAR_AWAY = { debounceMs: 20, pollMs: 600_000 };

let lookNow: () => void;

const clock = {
  schedule(delayMs: number, callback: () => void) {
    if (delayMs === FAR_AWAY.pollMs) lookNow = callback;
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

let folder: string;
let file: string;
let end: () => Promise<void>;
let told: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kvgw-watch-"));
  file = join(folder, "gateway.yaml");
  told = [];
  end = () => Promise.resolve();
});

afterEach(async () => {
  await end();
  await rm(folder, { recursive: true, force: true });
});

function watch(options: Partial<WatchOptions> = {}, path = file): void {
  const ending = new AbortController();
  const { stopped } = watchConfigFile(
    path,
    {
      onChange: (text) => told.push(text),
      onProblem: ({ message }) => told.push(`problem: ${message.split(";")[0]}`),
      signal: ending.signal,
      ...FAR_AWAY,
      ...options,
    },
    clock,
  );
  end = () => {
    ending.abort();
    return stopped;
  };
}

const lastTold = (text: string, what: string) => eventually(() => told.at(-1) === text, { what });

/** As a whole or not at all: nobody sees it half written. */
async function save(text: string, path = file): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

/** The first text has been told, and the watch is ready: it tells a second one. */
async function watching(options: Partial<WatchOptions> = {}, path = file): Promise<void> {
  await save("first");
  watch(options, path);
  await lastTold("first", "the first text is told");
  await save("ready");
  await lastTold("ready", "the watch is ready");
  told = [];
}

const MISSING = "problem: there is no such file";

describe("a watched file", () => {
  it("is told when it is written in place, truncated first", async () => {
    await watching();
    await writeFile(file, "second");
    await lastTold("second", "what was written is told");
  });

  it("is told when another is renamed over it, again and again, as editors do", async () => {
    await watching();
    for (const text of ["one", "two", "three"]) {
      await save(text);
      await lastTold(text, `${text} is told`);
    }
    expect(told).toEqual(["one", "two", "three"]);
  });

  it("is told when it is moved aside and written anew", async () => {
    await watching();
    await rename(file, `${file}~`);
    await writeFile(file, "anew");
    await lastTold("anew", "the new file is told");
  });

  it("is a problem, told once, while it is gone, and told when it returns, changed or not", async () => {
    await watching({ pollMs: 40 });
    await unlink(file);
    await lastTold(MISSING, "that it is gone is told");
    await writeFile(join(folder, "unrelated"), "x");
    await new Promise((looked) => setTimeout(looked, 200));
    expect(told).toEqual([MISSING]);
    await save("ready");
    await lastTold("ready", "the same text is told again");
    await unlink(file);
    await lastTold(MISSING, "that it is gone again is told");
    await save("other");
    await lastTold("other", "the changed text is told");
    expect(told).toEqual([MISSING, "ready", MISSING, "other"]);
  });

  it("is a problem while a folder stands in its place", async () => {
    await watching();
    await unlink(file);
    await mkdir(file);
    await lastTold("problem: is a folder", "the folder is told");
    await rm(file, { recursive: true });
    await writeFile(file, "back");
    await lastTold("back", "the file is told");
  });

  it("is told when Kubernetes swaps the link to the folder that holds it", async () => {
    const volume = await mkdtemp(join(folder, "volume-"));
    const swapTo = async (name: string, text: string) => {
      await mkdir(join(volume, name));
      await writeFile(join(volume, name, "gateway.yaml"), text);
      await symlink(name, join(volume, "..data_tmp"));
      await rename(join(volume, "..data_tmp"), join(volume, "..data"));
    };
    await swapTo("..2026_01", "one");
    await symlink("..data/gateway.yaml", join(volume, "gateway.yaml"));
    watch({}, join(volume, "gateway.yaml"));
    await lastTold("one", "the first text is told");
    for (const [name, text, old] of [
      ["..2026_02", "two", "..2026_01"],
      ["..2026_03", "three", "..2026_02"],
    ] as const) {
      // The watch may still be getting ready: a look at its readiness finds what came before.
      await swapTo(name, text);
      await rm(join(volume, old), { recursive: true });
      await lastTold(text, `${text} is told`);
    }
  });

  it("is told when it lies elsewhere, behind a symlink", async () => {
    await mkdir(join(folder, "etc"));
    await symlink(file, join(folder, "etc", "link.yaml"));
    await watching({}, join(folder, "etc", "link.yaml"));
    await writeFile(file, "changed there");
    await lastTold("changed there", "the change behind the link is told");
  });

  it("is told once when nothing but its time changes, and not when others beside it do", async () => {
    await watching();
    await save("ready");
    await writeFile(join(folder, "other.yaml"), "x");
    await save("now");
    await lastTold("now", "the change is told");
    expect(told).toEqual(["now"]);
  });

  it("is told with its last text, once, after a hundred saves in a row", async () => {
    await watching();
    for (let n = 1; n <= 100; n++) await writeFile(file, `save ${n}`);
    await lastTold("save 100", "the last save is told");
    expect(told.filter((text) => text === "save 100")).toHaveLength(1);
  });
});

describe("a file whose changes bring no events", () => {
  it("is found changed by a slow look at its content", async () => {
    // file → hidden/step → hidden/one or two: nobody watches the folder of the step in between.
    const hidden = join(folder, "hidden");
    await mkdir(hidden);
    for (const name of ["one", "two"]) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, "text"), name);
    }
    await symlink(join(folder, "one", "text"), join(hidden, "step"));
    await symlink(join(hidden, "step"), file);
    watch({ pollMs: 30 });
    await lastTold("one", "the first text is told");
    await symlink(join(folder, "two", "text"), join(hidden, "next"));
    await rename(join(hidden, "next"), join(hidden, "step"));
    await lastTold("two", "the other text is told");
  });

  it("brings them again once such a look has found that its folder was replaced", async () => {
    const inner = join(folder, "inner");
    const path = join(inner, "gateway.yaml");
    await mkdir(inner);
    await writeFile(path, "one");
    watch({}, path);
    await lastTold("one", "the first text is told");
    await rename(inner, join(folder, "old"));
    await mkdir(inner);
    await save("two", path);
    await eventually(() => (lookNow(), told.at(-1) === "two"), { what: "the new file is told", everyMs: 200 });
    await save("three", path);
    await lastTold("three", "its change is told by an event");
  });
});

describe("a watch", () => {
  it("tells nothing about a text that was known before, until it changes", async () => {
    await writeFile(file, "known");
    watch({ known: "known", pollMs: 30 });
    await new Promise((looked) => setTimeout(looked, 150));
    expect(told).toEqual([]);
    await save("new");
    await lastTold("new", "the change is told");
    expect(told).toEqual(["new"]);
  });

  it("tells what changed since the text that was known, even before it began", async () => {
    await writeFile(file, "newer");
    watch({ known: "known" });
    await lastTold("newer", "the change is told");
  });

  it("misses no change that comes after its first look and before its first event", async () => {
    await writeFile(file, "first");
    watch({
      onChange: (text) => {
        told.push(text);
        if (text === "first") writeFileSync(file, "second");
      },
    });
    await lastTold("second", "the change is told");
  });

  it("of a file that is not there tells that once, and then the file", async () => {
    watch({ pollMs: 30 });
    await lastTold(MISSING, "that it is missing is told");
    await save("first");
    await lastTold("first", "the file is told");
    expect(told).toEqual([MISSING, "first"]);
  });

  it("tells nothing any more once it was ended, and holds nothing open", async () => {
    await watching({ pollMs: 10 });
    await writeFile(file, "unseen");
    await end();
    const after = [...told];
    await writeFile(file, "unseen, too");
    await new Promise((looked) => setTimeout(looked, 150));
    expect(told).toEqual(after);
  });

  it("that was ended before it began tells nothing", async () => {
    await writeFile(file, "text");
    watch({ signal: AbortSignal.abort() });
    await end();
    await new Promise((looked) => setTimeout(looked, 50));
    expect(told).toEqual([]);
  });
});
