/** Bugs that the simulator must find, as patches over the source: never as switches in it. */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  /** Occurs exactly once. */
  readonly find: string;
  readonly replace: string;
  /** Within so many seeds, from the first one, it must be caught. */
  readonly seedsBudget: number;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: "sweep-by-age-only",
    file: "src/pipeline/sweep.ts",
    find: `if (missing.length === 0) found.push(key);`,
    replace: `found.push(key);`,
    seedsBudget: 1000,
  },
  {
    name: "vanished-not-looked-for",
    file: "src/pipeline/vanished.ts",
    find: `const { keys, lastSequence } = await store.count();`,
    replace: `const [{ lastSequence }, keys] = [await store.count(), atLeast];`,
    seedsBudget: 200,
  },
  {
    name: "blind-apply",
    file: "test/memory/bucket-store.ts",
    find: ` + headerLine(HEADER.expectedSubjectSequence, expected)`,
    replace: ``,
    seedsBudget: 100,
  },
  {
    name: "last-arrival-wins",
    file: "src/pipeline/apply.ts",
    find: `policy.decide(isReplaced ? undefined : guard.standing(key, known, version), operation)`,
    replace: `{ outcome: "apply", conflict: false }`,
    seedsBudget: 100,
  },
  {
    name: "no-tie-break",
    file: "src/core/version.ts",
    find: `return a.site < b.site ? -1 : 1;`,
    replace: `return 0;`,
    seedsBudget: 250,
  },
  {
    name: "wall-clock-only",
    file: "src/core/stamp.ts",
    find: `entry.timestampUs > beforeUs ? entry.timestampUs : beforeUs + stepOf(entry)`,
    replace: `entry.timestampUs`,
    seedsBudget: 100,
  },
  {
    name: "checkpoint-before-apply",
    file: "src/pipeline/replicate.ts",
    find: `deps.pace.next(() => applier.submit(operation, peer, { done: () => deps.settled(key, at, done), refuse }));`,
    replace: `done(); deps.pace.next(() => applier.submit(operation, peer, { done: () => undefined, refuse }));`,
    seedsBudget: 100,
  },
  {
    name: "reading-starts-one-too-late",
    file: "src/pipeline/replicate.ts",
    find: `deps.link.read(from + 1,`,
    replace: `deps.link.read(from + 2,`,
    seedsBudget: 100,
  },
  {
    name: "far-future-stays",
    file: "src/pipeline/relog.ts",
    find: `if (looking || `,
    replace: `if (!looking || `,
    seedsBudget: 300,
  },
  {
    name: "logged-again-too-low",
    file: "src/pipeline/relog.ts",
    find: `Math.floor(deps.clock.nowMs() * 1_000), newestUs + 1)`,
    replace: `Math.floor(deps.clock.nowMs() * 1_000), 0)`,
    seedsBudget: 500,
  },
  {
    name: "own-stamp-not-remembered",
    file: "src/pipeline/append.ts",
    find: `if (operation.version.ts <= nanosToMicros(identity.timestampNs)) return true;`,
    replace: `return true;`,
    seedsBudget: 1_600,
  },
  {
    name: "echo-logged",
    file: "src/core/replica.ts",
    find: `return ECHO;`,
    replace: `return { kind: "local-write", operation: { ...entry, base: null } };`,
    seedsBudget: 100,
  },
  {
    name: "expiry-logged",
    file: "src/core/replica.ts",
    find: `if (entry.kind === "expired") {`,
    replace: `if (entry.timestampUs < 0) {`,
    seedsBudget: 300,
  },
  {
    name: "own-log-not-read-at-start",
    file: "src/pipeline/stages.ts",
    find: `replica.restore({ ...logged,`,
    replace: `void ({ ...logged,`,
    seedsBudget: 100,
  },
  {
    name: "identity-not-compared",
    file: "src/core/ahead.ts",
    find: `return sameIdentity(identity, { bucketCreated: identity.bucketCreated, revision, timestampNs });`,
    replace: `return true;`,
    seedsBudget: 200,
  },
  {
    name: "floor-of-the-start-forgotten",
    file: "src/pipeline/causality.ts",
    find: `return foundUs === 0 ? 0 : foundUs + apartUs;`,
    replace: `return 0;`,
    seedsBudget: 250,
  },
  {
    name: "floor-written-behind-the-apply",
    file: "src/pipeline/causality.ts",
    find: `if (isDurable(key, ts)) {`,
    replace: `if (ts > 0) {`,
    seedsBudget: 250,
  },
  {
    name: "acknowledged-apply-not-remembered",
    file: "src/pipeline/apply.ts",
    find: `if (outcome.kind === "written") replica.recordApplied(operation, outcome.revision);`,
    replace: ``,
    seedsBudget: 250,
  },
  {
    name: "key-gate-missing",
    file: "src/pipeline/capture.ts",
    find: `entry.version === null && deps.gate.isClosed(entry.key)`,
    replace: `entry.revision < 0`,
    seedsBudget: 500,
  },
  {
    name: "stale-compare-and-set-retried-blindly",
    file: "src/pipeline/apply.ts",
    find: `deps.position.whenPassed(actual, () => begin(flight));`,
    replace: `const decision = { outcome: "apply", conflict: false };
    store.apply(flight.operation, actual, (outcome) => land(flight, flight.operation, actual, decision, outcome));`,
    seedsBudget: 100,
  },
  {
    name: "absence-is-a-delete",
    file: "src/pipeline/apply.ts",
    find: `if (actual === 0) return standBelow();`,
    replace: `if (actual === 0) return finish(flight, { outcome: "stale", conflict: false });`,
    seedsBudget: 800,
  },
  {
    name: "unanswered-append-given-up",
    file: "src/pipeline/append.ts",
    find: `if (outcome.kind === "appended" && isFirst`,
    replace: `if (outcome.kind === "unknown") {
      queue.finishFirst();
      return send();
    }
    if (outcome.kind === "appended" && isFirst`,
    seedsBudget: 1500,
  },
  {
    name: "deadline-not-carried",
    file: "src/nats/log-codec.ts",
    find: `if (expiresUs !== null) lines += headerLine(HEADER.expires, expiresUs);`,
    replace: ``,
    seedsBudget: 300,
  },
  {
    name: "excluded-keys-logged",
    file: "src/pipeline/capture.ts",
    find: `else if (!deps.includes(entry.key)) exclude(entry, bytes);`,
    replace: ``,
    seedsBudget: 150,
  },
  {
    name: "deletes-with-history-forget-their-kind",
    file: "src/nats/log-codec.ts",
    find: `if (kind === "delete") lines += headerLine(HEADER.kvOperation, "DEL");`,
    replace: ``,
    seedsBudget: 100,
  },
];
