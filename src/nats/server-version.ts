/** What a server does otherwise than its successors, by its version. One that does not tell its version counts as old. */
export type ServerVersion = readonly [major: number, minor: number, patch: number];

/** It dies of a request for a message of a stream that it is just making: `untilMade` in `streams.ts`. */
export const ANSWERS_OF_YOUNG_STREAMS: ServerVersion = [2, 10, 0];

/** A purge or roll-up of one subject moves the consumers of all: `passed-over.ts`. */
export const PURGES_LEAVE_CONSUMERS: ServerVersion = [2, 9, 14];

/** @param version as the server tells it: 2.10.27, 2.12.0-RC.1 */
export function isBefore(version: string | undefined, first: ServerVersion): boolean {
  const numbers = (version ?? "").split(/[.-]/).map(Number);
  for (const [at, wanted] of first.entries()) {
    const number = numbers[at] ?? 0;
    if (number !== wanted) return !(number > wanted);
  }
  return false;
}
