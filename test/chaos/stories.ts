/** What happened to the keys that something is wrong with, for a person who wants to know why. */
import type { Happening, Violation } from "../sim/history.js";
import { concerns, tell } from "../sim/story.js";

/** More keys than a person reads, and more lines than one needs. */
const KEYS_MAX = 20;
const LINES_MAX = 400;

export function tellStories(history: readonly Happening[], found: readonly Violation[]): Readonly<Record<string, readonly string[]>> {
  const stories: Record<string, readonly string[]> = {};
  for (const violation of found) {
    const { bucket, key } = violation;
    const name = `${bucket ?? ""} ${key ?? ""}`.trim();
    if (key === null || name in stories || Object.keys(stories).length >= KEYS_MAX) continue;
    stories[name] = tellStory(history, violation).slice(-LINES_MAX);
  }
  return stories;
}

function tellStory(history: readonly Happening[], violation: Violation): string[] {
  const ops = new Set(history.flatMap((each) => (each.what === "called" && concerns(each, violation) ? [each.op] : [])));
  return history.flatMap((happening) => {
    const isOurs = happening.what === "answered" ? ops.has(happening.op) : concerns(happening, violation);
    // Checkpoints come every second, and concern all keys.
    if (!isOurs || happening.what === "saved") return [];
    const text = tell(happening);
    return text === null ? [] : [`${(happening.ms / 1_000).toFixed(3).padStart(9)}  ${text}`];
  });
}
