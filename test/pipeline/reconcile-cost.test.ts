/** What a round costs follows the differences, not the number of keys: measured in bytes, as they would go over the wire. */
import { beforeAll, describe, expect, it } from "vitest";
import type { Key } from "../../src/core/ids.js";
import type { Operation } from "../../src/core/operation.js";
import type { Questions } from "../../src/core/ports.js";
import { encodeDigests, encodeHello, encodePage, encodeVersions } from "../../src/core/question.js";
import { type Replica, createReplica } from "../../src/core/replica.js";
import { createClockGuard } from "../../src/pipeline/clock-guard.js";
import type { Marks } from "../../src/pipeline/marks.js";
import { runRound } from "../../src/pipeline/reconcile.js";
import type { Rejoin } from "../../src/pipeline/rejoin.js";
import { type Answers, createAnswers } from "../../src/pipeline/serve.js";
import { type Witness, createWitness } from "../../src/pipeline/witness.js";
import { operationAt } from "../core/arbitraries.js";
import { keyNamed, siteNamed } from "../core/names.js";
import { createSeededRandom } from "../memory/seeded-random.js";
import { createVirtualClock } from "../memory/virtual-clock.js";

const KEYS = 1_000_000;
const MARK = { created: "1730542200000000000", sequence: KEYS };
const [A, B] = [siteNamed("site-a"), siteNamed("site-b")];
const SEEN = new Map([A, B].map((site) => [site, { ...MARK, run: "0123456789ab", atUs: 1_730_542_200_000_000, left: false }]));
const nothing = () => Promise.resolve();
const MARKS: Marks = { seen: () => SEEN, note: () => undefined, own: () => null, makeDurable: nothing };
const REJOIN: Rejoin = {
  ...{ isRejoining: () => false, isDoubtful: () => false, compared: nothing },
  ...{ hear: () => undefined, begin: () => undefined },
};
const clock = createVirtualClock();

const witnesses = new Map<Replica, Witness>();
function witnessOf(replica: Replica): Witness {
  const witness = witnesses.get(replica) ?? createWitness(replica === replicas.a ? A : B, createSeededRandom(witnesses.size));
  witnesses.set(replica, witness);
  return witness;
}

function answersOf(replica: Replica): Answers {
  return createAnswers({
    ...{ site: replica === replicas.a ? A : B, replica, clock, onAsked: () => undefined },
    fingerprint: () => "0123456789abcdef0123456789abcdef",
    logged: () => Promise.resolve({ created: "1730542200000000000", sequence: KEYS }),
    isLogged: () => true,
    ...{ start: MARK, captured: () => MARK, marks: { seen: () => SEEN }, rejoin: REJOIN },
    store: { read: () => Promise.resolve(null) } as never,
    witness: witnessOf(replica),
  });
}

/** Asks directly, and counts what would have gone over the wire. */
function counted(answers: Answers) {
  const sizes: number[] = [];
  const passed = <T>(question: unknown, answer: T, encode: (answer: T) => unknown): T => {
    sizes.push(JSON.stringify(question).length, JSON.stringify(encode(answer)).length);
    return answer;
  };
  const asked: Questions = {
    hello: async (hello) => passed(encodeHello(hello), await answers.hello(hello), encodeHello),
    digests: async (prefixes) => passed({ prefixes }, await answers.digests(prefixes), encodeDigests),
    entries: async (prefix, after) => passed({ prefix, after }, await answers.entries(prefix, after), encodePage),
    versions: async (keys) => passed({ keys }, await answers.versions(keys), encodeVersions),
    fetch: (key) => Promise.resolve(fetched.get(key) ?? null),
  };
  return { sizes, asked };
}

const replicas = { a: createReplica(A), b: createReplica(B) };
const fetched = new Map<Key, Operation>();

async function round() {
  const { sizes, asked } = counted(answersOf(replicas.b));
  const applied: Operation[] = [];
  const running = runRound({
    ...{ peer: B, peerAsked: asked, own: answersOf(replicas.a), replica: replicas.a, clock, signal: new AbortController().signal },
    guard: createClockGuard({ site: A, clock, maxClockSkewMs: () => 3_600_000 }),
    onSkew: () => undefined,
    isTaken: () => Promise.resolve(false),
    ...{ witness: witnessOf(replicas.a), isOld: () => false, marks: MARKS, rejoin: REJOIN },
    apply: (operation) => {
      applied.push(operation);
      replicas.a.recordApplied(operation, KEYS + applied.length);
      return Promise.resolve(true);
    },
  });
  let over = false;
  void running.finally(() => (over = true));
  await clock.runUntil(() => over, 60_000);
  return { ...(await running), applied: applied.map(({ key }) => key).sort(), sizes };
}

describe(`among ${KEYS.toLocaleString("en")} keys`, () => {
  beforeAll(() => {
    for (let n = 0; n < KEYS; n++) {
      const operation = operationAt(1_700_000_000_000_000 + n, n % 2 === 0 ? A : B, { key: keyNamed(`users.${n}.profile`) });
      for (const replica of [replicas.a, replicas.b]) replica.recordApplied(operation, n + 1);
    }
  });

  it("equal sides exchange one question and one answer, together below 1 KiB", async () => {
    const { result, sizes } = await round();
    expect([result, sizes.length]).toEqual(["equal", 2]);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(1_024);
  });

  it("ten differences cost less than 64 KiB, each message of it less than that", async () => {
    const keys = Array.from({ length: 10 }, (_, n) => keyNamed(`users.${n * 99_991}.profile`));
    for (const [n, key] of keys.entries()) {
      const operation = operationAt(1_800_000_000_000_000 + n, B, { key });
      fetched.set(key, operation);
      replicas.b.recordApplied(operation, KEYS + 100 + n);
    }
    const { result, applied, sizes } = await round();
    expect([result, applied]).toEqual(["equal", [...keys].sort()]);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(64 * 1_024);
  });
});
