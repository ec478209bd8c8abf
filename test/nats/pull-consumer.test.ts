/** Consumers of which a cluster never says whether they are made or gone, since the server that has them is dead. */
import { describe, expect, it } from "vitest";
import { CONSUMER_ATTEMPTS_MAX } from "../../src/core/limits.js";
import { makePullConsumer } from "../../src/nats/pull-consumer.js";
import { createScriptedServer } from "./scripted-server.js";

const PREFIX = "kvgw_a_tail_";
const never = new AbortController().signal;

interface Dead {
  /** What the stream has already. */
  readonly names?: readonly string[];
  /** Whose server never answers. */
  readonly isDead: (name: string) => boolean;
}

/** Answers for all but the dead, and writes down what was asked of which consumer. */
function clusterWith({ names = [], isDead }: Dead) {
  const asked: string[] = [];
  const { lease } = createScriptedServer(undefined, (subject) => {
    const [, , , verb = "", , name = ""] = subject.split(".");
    asked.push(`${verb} ${name}`.trim());
    if (verb === "NAMES") return { total: names.length, consumers: names };
    if (isDead(name)) return null;
    return verb === "DELETE" ? { success: true } : { num_pending: 7, config: {} };
  });
  const source = { lease, domain: null, stream: "KV_b", consumerPrefix: PREFIX, epoch: 3, from: { sequence: 1 } };
  return { asked, make: () => makePullConsumer(source, never) };
}

describe("a consumer that is not made", () => {
  it("is made under another name, and removed should it come after all", async () => {
    const { asked, make } = clusterWith({ isDead: (name) => [`${PREFIX}3`, `${PREFIX}3_1`].includes(name) });
    expect(await make()).toMatchObject({ name: `${PREFIX}3_2`, pending: 7 });
    expect(asked).toEqual([
      "NAMES",
      ...["CREATE kvgw_a_tail_3", "CREATE kvgw_a_tail_3_1", "CREATE kvgw_a_tail_3_2"],
      ...["DELETE kvgw_a_tail_3", "DELETE kvgw_a_tail_3_1"],
    ]);
  });

  it("is given up after so many attempts", async () => {
    const { asked, make } = clusterWith({ isDead: () => true });
    await expect(make()).rejects.toThrow("timeout");
    expect(asked.filter((each) => each.startsWith("CREATE"))).toHaveLength(CONSUMER_ATTEMPTS_MAX);
  });
});

describe("an older consumer", () => {
  it("is removed, and its name used again", async () => {
    const { asked, make } = clusterWith({ names: [`${PREFIX}2`, `${PREFIX}3`, "another"], isDead: () => false });
    expect(await make()).toMatchObject({ name: `${PREFIX}3` });
    expect(asked).toEqual(["NAMES", `DELETE ${PREFIX}2`, `DELETE ${PREFIX}3`, `CREATE ${PREFIX}3`]);
  });

  it("that does not go keeps its name: whoever took it would get what is not there", async () => {
    const { asked, make } = clusterWith({ names: [`${PREFIX}3`], isDead: (name) => name === `${PREFIX}3` });
    expect(await make()).toMatchObject({ name: `${PREFIX}3_1` });
    expect(asked).toEqual(["NAMES", `DELETE ${PREFIX}3`, `CREATE ${PREFIX}3_1`]);
  });
});

describe("the list of consumers", () => {
  it("is read to its end, page by page", async () => {
    const all = Array.from({ length: 5 }, (_, n) => `${PREFIX}${n}`);
    let pages = 0;
    const { lease } = createScriptedServer(undefined, (subject) => {
      if (!subject.includes(".NAMES.")) return { success: true, num_pending: 0, config: {} };
      const consumers = all.slice(2 * pages, 2 * ++pages);
      return { total: all.length, consumers };
    });
    await makePullConsumer({ lease, domain: null, stream: "KV_b", consumerPrefix: PREFIX, epoch: 9, from: { sequence: 1 } }, never);
    expect(pages).toBe(3);
  });
});
