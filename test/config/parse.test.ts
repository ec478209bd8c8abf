import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { entry, parseWith, parsed, problemsOf, SITES, withBuckets } from "./config-rig.js";

const CONTRACT = `
version: 1
site: site-a
sites:
  site-a:
    servers: ["nats://127.0.0.1:4222"]
  site-b:
    servers: ["nats://127.0.0.1:5222"]
    gateways: all
  edge-7:
    via: site-a
    domain: edge-7
defaults:
  tombstoneTtl: 24h
  reconcileInterval: 5m
buckets:
  config:
    subject: rep.kv.ops.config
    sites: [site-a, site-b]
    policy: lww
    tombstoneTtl: 24h
    reconcileInterval: 5m
    maxClockSkew: 1h
    format: raw
    log: local
    keys: { include: [">"], exclude: [] }
    limits: { inFlight: 1024, opsPerSecond: 0 }
    priority: 5
    create: { history: 1, storage: file, replicas: 1 }
    paused: false
http: { listen: "127.0.0.1:9480" }
log: { level: info }
`;

describe("a config text", () => {
  it("with everything written out becomes exactly that", () => {
    const config = parsed(CONTRACT);
    expect(config.site).toBe("site-a");
    expect(config.http).toEqual({ host: "127.0.0.1", port: 9480 });
    expect(config.log).toEqual({ level: "info" });
    expect(entry(config.sites, "edge-7")).toEqual({
      ...{ id: "edge-7", servers: [], credentials: null, tls: null, via: "site-a", domain: "edge-7" },
      bytesPerSecond: 0, gateways: "one",
    });
    expect(entry(config.sites, "site-b").gateways).toBe("all");
    expect(entry(config.buckets, "config")).toEqual({
      name: "config",
      subject: "rep.kv.ops.config",
      sites: new Map([
        ["site-a", { bucket: "config" }],
        ["site-b", { bucket: "config" }],
      ]),
      policy: "lww",
      tombstoneTtlMs: 86_400_000,
      reconcileIntervalMs: 300_000,
      maxClockSkewMs: 3_600_000,
      format: "raw",
      log: "local",
      keys: { include: [">"], exclude: [] },
      limits: { inFlight: 1024, opsPerSecond: 0 },
      priority: 5,
      create: { history: 1, storage: "file", replicas: 1 },
      paused: false,
    });
  });

  it("with nothing written out becomes the same: what is left out has the documented default", () => {
    const short = `version: 1\nsite: site-a\n${SITES}\nbuckets:\n  config:\n`;
    const config = parsed(short);
    expect(entry(config.buckets, "config")).toEqual(entry(parsed(CONTRACT).buckets, "config"));
    expect(config.http).toEqual(parsed(CONTRACT).http);
    expect(config.log).toEqual(parsed(CONTRACT).log);
  });

  it("as the project ships it is valid, and its addresses come from the environment where they are set", () => {
    const shipped = readFileSync(new URL("../../config/gateway.yaml", import.meta.url), "utf8");
    expect(shipped.startsWith("# yaml-language-server: $schema=../schemas/gateway.schema.json\n")).toBe(true);
    expect(entry(parsed(shipped).sites, "site-b").servers).toEqual(["nats://127.0.0.1:5222"]);
    const env = { KVGW_NATS_A: "nats://nats-a:4222", KVGW_SITE: "site-b" };
    const config = parsed(shipped, { env });
    expect(entry(config.sites, "site-a").servers).toEqual(["nats://nats-a:4222"]);
    expect(config.site).toBe("site-b");
    expect(entry(config.buckets, "config").subject).toBe("rep.kv.ops.config");
  });

  it("may leave every section empty but sites and buckets", () => {
    const config = parsed(withBuckets("config:\n  keys:\n  limits:\nother: {}", "defaults:\nhttp:\nlog:\n"));
    expect([...config.buckets.keys()]).toEqual(["config", "other"]);
    expect(parsed(withBuckets("").replace("buckets:", "buckets: {}")).buckets.size).toBe(0);
  });

  it("is frozen all the way down once it is a config", () => {
    const config = parsed(withBuckets("config: { sites: { site-a: { bucket: a }, site-b: } }"));
    const reachable = (value: unknown): object[] => {
      if (typeof value !== "object" || value === null) return [];
      const parts = value instanceof Map ? [...(value as Map<string, unknown>).values()] : Object.values(value);
      return [...(value instanceof Map ? [] : [value]), ...parts.flatMap(reachable)];
    };
    expect(reachable(config).length).toBeGreaterThan(10);
    expect(reachable(config).filter((value) => !Object.isFrozen(value))).toEqual([]);
  });

  it("of a thousand buckets is read like one of one", () => {
    const names = Array.from({ length: 1000 }, (_, index) => `bucket-${index}`);
    const config = parsed(withBuckets(names.map((name) => `${name}: { tombstoneTtl: 7d }`).join("\n")));
    expect([...config.buckets.keys()].sort()).toEqual(names.sort());
    expect([...config.buckets.values()].every(({ tombstoneTtlMs }) => tombstoneTtlMs === 7 * 86_400_000)).toBe(true);
  });
});

describe("defaults", () => {
  it("hold for every bucket that does not say otherwise", () => {
    const config = parsed(
      withBuckets(
        "one:\ntwo: { paused: false, format: raw, priority: 10 }",
        "defaults: { paused: true, format: json, sites: [site-a], priority: 1 }",
      ),
    );
    expect(entry(config.buckets, "one")).toMatchObject({ paused: true, format: "json", priority: 1 });
    expect(entry(config.buckets, "two")).toMatchObject({ paused: false, format: "raw", priority: 10 });
    expect([...entry(config.buckets, "two").sites.keys()]).toEqual(["site-a"]);
  });

  it("are merged setting by setting in keys, limits and create", () => {
    const defaults =
      'defaults: { keys: { exclude: ["tmp.>"] }, limits: { inFlight: 7, opsPerSecond: 8 }, create: { history: 5, replicas: 3 } }';
    const config = parsed(
      withBuckets('one: { keys: { include: ["a.>"] }, limits: { inFlight: 9 }, create: { history: 2 } }', defaults),
    );
    expect(entry(config.buckets, "one")).toMatchObject({
      keys: { include: ["a.>"], exclude: ["tmp.>"] },
      limits: { inFlight: 9, opsPerSecond: 8 },
      create: { history: 2, storage: "file", replicas: 3 },
    });
  });

  it("that forbid to create buckets can be undone by one, and the other way round", () => {
    const forbidden = parsed(withBuckets("one:\ntwo: { create: {} }", "defaults: { create: false }"));
    expect(entry(forbidden.buckets, "one").create).toBe(false);
    expect(entry(forbidden.buckets, "two").create).toEqual({ history: 1, storage: "file", replicas: 1 });
    const allowed = parsed(withBuckets("one: { create: false }", "defaults: { create: { history: 3 } }"));
    expect(entry(allowed.buckets, "one").create).toBe(false);
  });
});

describe("the sites of a bucket", () => {
  it("are all of them, a list, or a map with the local names", () => {
    const config = parsed(
      withBuckets("all:\nlisted: { sites: [site-b] }\nmapped: { sites: { site-b: { bucket: cfg }, site-a: } }"),
    );
    expect([...entry(config.buckets, "all").sites.keys()]).toEqual(["site-a", "site-b"]);
    expect([...entry(config.buckets, "listed").sites]).toEqual([["site-b", { bucket: "listed" }]]);
    expect([...entry(config.buckets, "mapped").sites]).toEqual([
      ["site-a", { bucket: "mapped" }],
      ["site-b", { bucket: "cfg" }],
    ]);
  });

  it("may be a list of a thousand, from which the hub is left out", () => {
    const spokes = Array.from({ length: 1_000 }, (_, n) => `s${n}`);
    const servers = [...spokes, "hub"].map((site) => `  ${site}: { servers: ["nats://127.0.0.1:4222"] }`).join("\n");
    const text = `version: 1\nsite: s0\nsites:\n${servers}\nbuckets:\n  x: { log: hub, sites: [${spokes.join(", ")}] }\n`;
    expect([...entry(parsed(text).buckets, "x").sites.keys()]).toEqual(spokes.toSorted());
  });

  it("may be this one alone, or leave it out", () => {
    const config = parsed(withBuckets("mine: { sites: [site-a] }\ntheirs: { sites: [site-b] }"));
    expect([...config.buckets.keys()]).toEqual(["mine", "theirs"]);
  });
});

describe("this process's site", () => {
  const text = withBuckets("config:");

  it("is what --site says, then KVGW_SITE, then the file", () => {
    expect(parsed(text).site).toBe("site-a");
    expect(parsed(text, { env: { KVGW_SITE: "site-b" } }).site).toBe("site-b");
    expect(parsed(text, { env: { KVGW_SITE: "" } }).site).toBe("site-a");
    expect(parsed(text, { env: { KVGW_SITE: "site-b" }, site: "site-a" }).site).toBe("site-a");
    expect(parsed(text.replace("site: site-a", ""), { site: "site-b" }).site).toBe("site-b");
  });

  it("must be a listed one, whoever says it", () => {
    expect(problemsOf(text, { env: { KVGW_SITE: "site-c" } })).toEqual([
      '2:7 site | KVGW_SITE: no site is called "site-c"; sites: site-a, site-b',
    ]);
    expect(problemsOf(text, { site: "site-aa" })).toEqual([
      '2:7 site | --site: no site is called "site-aa"; did you mean "site-a"? sites: site-a, site-b',
    ]);
  });

  it("is judged in the file even where something else wins", () => {
    expect(problemsOf(text.replace("site: site-a", "site: site-x"), { site: "site-b" })).toEqual([
      '2:7 site | no site is called "site-x"; sites: site-a, site-b',
    ]);
  });

  it("is told once where two say the same wrong one", () => {
    const text = withBuckets("config:").replace("site: site-a", "site: site-x");
    expect(problemsOf(text, { env: { KVGW_SITE: "site-x" } })).toHaveLength(1);
  });

  it("needs no servers where it takes part in nothing, or others only read the file", () => {
    const edge = withBuckets("config: { sites: [site-a, edge] }").replace(
      'site-b: { servers: ["nats://127.0.0.1:5222"] }',
      "edge: { via: site-a, domain: e }",
    );
    expect(parsed(edge).site).toBe("site-a");
    expect(problemsOf(edge, { site: "edge" })).toEqual([
      "6:3 sites.edge | this process is edge and replicates bucket config, so it needs the `servers` of its own NATS",
    ]);
    expect(parsed(edge.replace(", edge]", "]"), { site: "edge" }).site).toBe("edge");
  });
});

describe("the hub of a bucket's logs", () => {
  it("is a listed site that need not take part", () => {
    const config = parsed(withBuckets("config: { log: site-b, sites: [site-a] }"));
    expect(entry(config.buckets, "config").log).toBe("site-b");
  });
});

describe("the listen address", () => {
  it.each([
    ["0.0.0.0:0", { host: "0.0.0.0", port: 0 }],
    ["localhost:65535", { host: "localhost", port: 65_535 }],
    ["'[::1]:9480'", { host: "::1", port: 9480 }],
  ])("may be %s", (listen, address) => {
    expect(parsed(withBuckets("config:", `http: { listen: ${listen} }`)).http).toEqual(address);
  });
});

describe("the hash of a config", () => {
  const text = withBuckets("config:\nusers: { limits: { inFlight: 5, opsPerSecond: 1 } }");

  it("stays when only the text changes, and is the same at every site", () => {
    const { hash } = parsed(text);
    const reworded = withBuckets(
      "# users first\nusers: { limits: { opsPerSecond: 1, inFlight: 5 } }\nconfig: { tombstoneTtl: 1440m }",
    );
    expect(parsed(reworded).hash).toBe(hash);
    expect(parsed(text, { site: "site-b" }).hash).toBe(hash);
  });

  it.each(["inFlight: 6", "opsPerSecond: 2"])("changes with the meaning: %s", (change) => {
    const changed = text.replace(new RegExp(change.replace(/\d/, "\\d")), change);
    expect(changed).not.toBe(text);
    expect(parsed(changed).hash).not.toBe(parsed(text).hash);
  });

  it("changes with an inline secret, so that a new one is taken over", () => {
    const secret = (token: string): string =>
      parsed(withBuckets("config:", "allowInlineSecrets: true").replace('5222"]', `5222"], token: ${token}`)).hash;
    expect(secret("one")).not.toBe(secret("two"));
  });
});

describe("what is wrong", () => {
  it("is told all at once, from every stage, in the order of the text", () => {
    const text = withBuckets(
      "config: { polcy: lww }\nusers: { log: hub }\nstock: { subject: $KV.x }\nenv: { subject: '${NOPE}' }",
    );
    expect(problemsOf(text).map((problem) => problem.split(" ")[1])).toEqual([
      "buckets.config.polcy",
      "buckets.users.log",
      "buckets.stock.subject",
      "buckets.env.subject",
    ]);
  });

  it("is told up to a screenful, and then that there is more", () => {
    const text = withBuckets(Array.from({ length: 300 }, (_, index) => `b${index}: { polcy: lww }`).join("\n"));
    const result = parseWith(text);
    const problems = result.ok ? [] : result.error;
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toMatchObject({
      path: "",
      message: "there are more problems; they are shown once these are mended",
    });
  });

  it("is told once where many buckets inherit it", () => {
    expect(problemsOf(withBuckets("a:\nb:\nc:", "defaults: { log: hub, tombstoneTtl: 1m }"))).toHaveLength(2);
  });

  it("is no more than what is really wrong: what only follows from it waits", () => {
    expect(problemsOf(withBuckets("a: { tombstoneTtl: 1m }", "defaults: { reconcileIntervl: 1s }"))).toEqual([
      expect.stringContaining("defaults.reconcileIntervl | unknown setting"),
    ]);
    expect(problemsOf(withBuckets("a:").replace("site-b: { servers:", "site-b: { servrs:"))).toEqual([
      expect.stringContaining("sites.site-b.servrs | unknown setting"),
    ]);
    expect(problemsOf(withBuckets("a: { tombstoneTtl: '${NOPE}' }"))).toEqual([
      expect.stringContaining("buckets.a.tombstoneTtl | the environment variable NOPE is not set"),
    ]);
  });
});
