/**
 * The config file: reading it, and noticing that it changed. The only file of this layer that touches the file system.
 *
 * Events only say that something may have happened; the content decides. So every way of saving works alike: writing in
 * place, renaming over (editors), swapping a symlink (`..data` of Kubernetes), deleting and coming back. Where events
 * are missing (network file systems) a slow look at the content finds the change. A file that cannot be read is a
 * problem, told once, and never an empty config.
 */
import { constants } from "node:fs";
import { type FileHandle, open, realpath } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { type FSWatcher, watch } from "chokidar";
import { CONFIG_BYTES_MAX, CONFIG_DEBOUNCE_MS, CONFIG_POLL_MS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import { type Result, err, ok } from "../core/result.js";
import type { ConfigProblem } from "./config.js";
import { createSettle } from "./settle.js";

export interface WatchOptions {
  /** Content that differs from what was known, and the first one after a problem. */
  readonly onChange: (text: string) => void;
  readonly onProblem: (problem: ConfigProblem) => void;
  /** Ends the watch: nothing is called after it. */
  readonly signal: AbortSignal;
  /** What the caller has read before. Without it the first content found is a change, too: none can slip by. */
  readonly known?: string;
  readonly debounceMs?: number;
  readonly pollMs?: number;
}

export interface FileWatch {
  /** Settles when the watch has ended and holds nothing open. */
  readonly stopped: Promise<void>;
}

/** Kubernetes swaps this symlink beside the file's own to change all files of a folder at once. */
const SWAPPED_SYMLINK = "..data";

/** The text of the file, or why there is none; never waits for a writer as reading a pipe would. */
export async function readConfigFile(path: string): Promise<Result<string, readonly ConfigProblem[]>> {
  const refuse = (message: string, line = 1, column = 1): Result<never, readonly ConfigProblem[]> =>
    err([{ file: path, line, column, path: "", message }]);
  let handle: FileHandle | null = null;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await handle.stat();
    if (info.isDirectory()) return refuse("is a folder; name the file in it");
    if (!info.isFile()) return refuse("is no regular file; a configuration is read from a file on disk");
    const bytes = await readAtMost(handle, CONFIG_BYTES_MAX + 1);
    if (bytes.length > CONFIG_BYTES_MAX)
      return refuse(`larger than ${CONFIG_BYTES_MAX / 1024 / 1024} MiB; is it the right file?`);
    return decode(bytes, refuse);
  } catch (error) {
    return refuse(sayWhyNot(error));
  } finally {
    await handle?.close();
  }
}

/** The size that the system states may be wrong (`/proc`), or the file may grow meanwhile. */
async function readAtMost(handle: FileHandle, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let total = 0; total < limit;) {
    const { bytesRead, buffer } = await handle.read({
      buffer: Buffer.alloc(Math.min(64 * 1024, limit - total)),
      position: total,
    });
    if (bytesRead === 0) break;
    chunks.push(buffer.subarray(0, bytesRead));
    total += bytesRead;
  }
  return Buffer.concat(chunks);
}

function decode(
  bytes: Buffer,
  refuse: (message: string, line?: number, column?: number) => Result<never, readonly ConfigProblem[]>,
): Result<string, readonly ConfigProblem[]> {
  const mark = bytes.subarray(0, 2).toString("hex");
  if (mark === "fffe" || mark === "feff") return refuse("is UTF-16; save it as UTF-8");
  try {
    return ok(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    const before = bytes.toString("utf8").split("\uFFFD", 1)[0] ?? "";
    const lines = before.split("\n");
    return refuse("holds a byte that is not UTF-8; save it as UTF-8", lines.length, (lines.at(-1)?.length ?? 0) + 1);
  }
}

function sayWhyNot(error: unknown): string {
  const { code = "unknown", message = String(error) } = error as { readonly code?: string; readonly message?: string };
  const known: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file; make it, or name another with -c or KVGW_CONFIG",
    ENOTDIR: "there is no such file: a part of its path is no folder",
    EACCES: "may not be read by this user; check the permissions of the file and of its folders",
    EPERM: "may not be read by this user; check the permissions of the file and of its folders",
    ELOOP: "its symlinks lead in a circle",
    ENXIO: "is no regular file; a configuration is read from a file on disk",
  };
  return Object.hasOwn(known, code) ? (known[code] ?? message) : `cannot be read: ${message}`;
}

export function watchConfigFile(path: string, options: WatchOptions, clock: Pick<Clock, "schedule">): FileWatch {
  const { signal, debounceMs = CONFIG_DEBOUNCE_MS, pollMs = CONFIG_POLL_MS } = options;
  const tell = createTeller(options);
  const settle = createSettle(clock, debounceMs, () => look(false));
  const events = createEvents(path, () => {
    if (!signal.aborted) settle.nudge();
  });
  let cancelPoll = (): void => undefined;
  let looking: Promise<void> | null = null;

  /** One look at a time; `unasked` by any event. */
  function look(unasked: boolean): void {
    if (looking !== null) return settle.nudge();
    settle.cancel();
    cancelPoll();
    looking = lookNow(unasked).finally(() => {
      looking = null;
      if (!signal.aborted) cancelPoll = clock.schedule(pollMs, () => look(true));
    });
  }

  async function lookNow(unasked: boolean): Promise<void> {
    const result = await readConfigFile(path);
    if (signal.aborted) return;
    const isNews = tell(result);
    // News without an event: the folder or a link on the way was replaced under the watcher, so it begins anew.
    await events.follow(isNews && unasked);
  }

  const stopped = new Promise<void>((done) => {
    const stop = (): void => {
      settle.cancel();
      cancelPoll();
      void Promise.resolve(looking).finally(() => events.close().then(done));
    };
    if (!signal.aborted) look(true);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
  return { stopped };
}

/** Tells what is new and says whether it was; a problem that stays is told once. */
function createTeller({
  known,
  onChange,
  onProblem,
}: WatchOptions): (read: Result<string, readonly ConfigProblem[]>) => boolean {
  let text = known ?? null;
  let complaint: string | null = null;
  return (read) => {
    if (read.ok) {
      // After a problem the same text is told again, so that the problem can be taken back.
      if (read.value === text && complaint === null) return false;
      [text, complaint] = [read.value, null];
      onChange(read.value);
      return true;
    }
    const [problem] = read.error;
    if (problem === undefined || problem.message === complaint) return false;
    complaint = problem.message;
    onProblem(problem);
    return true;
  };
}

interface Events {
  /** Watches where the path leads now; `anew` even if it leads there still. */
  follow(anew: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Events around a path: in its folder, and in the folder of the file that it leads to through symlinks. */
function createEvents(path: string, nudge: () => void): Events {
  let watcher: FSWatcher | null = null;
  let watched = "";
  return {
    async follow(anew) {
      const files = [resolve(path), await realpath(path).catch(() => resolve(path))];
      if (!anew && watcher !== null && watched === files.join()) return;
      await watcher?.close();
      watched = files.join();
      watcher = watchFolders(files, nudge);
    },
    close: async () => watcher?.close(),
  };
}

function watchFolders(files: readonly string[], nudge: () => void): FSWatcher {
  const folders = [...new Set(files.map((file) => dirname(file)))];
  const names = new Set([...files.map((file) => basename(file)), SWAPPED_SYMLINK]);
  const isOurs = (name: string): boolean => names.has(basename(name));
  const ignored = (candidate: string): boolean => !folders.includes(candidate) && !isOurs(candidate);
  const watcher = watch(folders, { ignored, depth: 0, ignoreInitial: true, followSymlinks: false });
  // Raw events, since the others leave out what looks unchanged; ready, since a change may have come before it.
  watcher.on("raw", (_event, name) => {
    if (!name || isOurs(name)) nudge();
  });
  watcher.on("ready", nudge);
  // Too many watches, or a file system without them: the slow look at the content goes on.
  watcher.on("error", () => undefined);
  return watcher;
}
