import { describe, expect, it } from "vitest";
import { entry, parsed, problemsOf, withBuckets } from "./config-rig.js";

const text = (login: string, rest = ""): string => withBuckets("config:", rest).replace('4222"]', `4222"], ${login}`);

const credentialsOf = (login: string, rest = "") =>
  entry(parsed(text(login, rest), { file: "conf/gateway.yaml" }).sites, "site-a").credentials;

const WAYS = [
  ["credsFile: a.creds", { kind: "creds", creds: { from: "file", path: "conf/a.creds" } }],
  ["credsEnv: CREDS", { kind: "creds", creds: { from: "env", name: "CREDS" } }],
  ["user: u, passwordFile: /run/pw", { kind: "password", user: "u", password: { from: "file", path: "/run/pw" } }],
  ["user: u, passwordEnv: PW", { kind: "password", user: "u", password: { from: "env", name: "PW" } }],
  ["tokenFile: t", { kind: "token", token: { from: "file", path: "conf/t" } }],
  ["tokenEnv: T", { kind: "token", token: { from: "env", name: "T" } }],
  ["nkeySeedFile: ../n.nk", { kind: "nkey", seed: { from: "file", path: "n.nk" } }],
  ["nkeySeedEnv: N", { kind: "nkey", seed: { from: "env", name: "N" } }],
] as const;

const INLINE_WAYS = [
  ["user: u, password: p", { kind: "password", user: "u", password: { from: "inline", value: "p" } }],
  ["token: t", { kind: "token", token: { from: "inline", value: "t" } }],
  ["nkeySeed: SU", { kind: "nkey", seed: { from: "inline", value: "SU" } }],
] as const;

describe("the ways to log in at a site", () => {
  it("may be none", () => {
    expect(credentialsOf("tls: {}")).toBeNull();
  });

  it.each(WAYS)("may stand in the site or in `credentials`: %s", (login, credentials) => {
    expect(credentialsOf(login)).toEqual(credentials);
    expect(credentialsOf(`credentials: { ${login} }`)).toEqual(credentials);
  });

  it.each(INLINE_WAYS)("may be a secret in the file only where that is allowed: %s", (login, credentials) => {
    expect(credentialsOf(login, "allowInlineSecrets: true")).toEqual(credentials);
    expect(credentialsOf(`credentials: { ${login} }`, "allowInlineSecrets: true")).toEqual(credentials);
    expect(problemsOf(text(login))).toEqual([expect.stringContaining("a secret in this file")]);
    expect(problemsOf(text(login, "allowInlineSecrets: false"))).toHaveLength(1);
  });

  it("count as a secret in the file even where a variable holds it: passwordEnv is the way for that", () => {
    const problems = problemsOf(text("user: u, password: '${PW}'"), { env: { PW: "hunter2" } });
    expect(problems).toEqual([expect.stringContaining("use passwordFile or passwordEnv")]);
    expect(problems.join()).not.toContain("hunter2");
  });

  it("may stand in an address, decoded, and leave it", () => {
    const login = (address: string) =>
      entry(
        parsed(withBuckets("config:", "allowInlineSecrets: true").replace("127.0.0.1:4222", address)).sites,
        "site-a",
      );
    expect(login("u:p%40ss@a:4222")).toMatchObject({
      servers: ["nats://a:4222"],
      credentials: { kind: "password", user: "u", password: { from: "inline", value: "p@ss" } },
    });
    expect(login("token@a:4222").credentials).toEqual({ kind: "token", token: { from: "inline", value: "token" } });
  });
});

describe("the addresses of a site", () => {
  it.each([
    ["nats://127.0.0.1:4222", "nats://127.0.0.1:4222"],
    ["tls://nats.example.com:4443", "tls://nats.example.com:4443"],
    ["nats://[::1]:4222", "nats://[::1]:4222"],
    ["nats://a", "nats://a"],
    ["nats://a:4222/", "nats://a:4222"],
  ])("may be %s", (written, address) => {
    const config = parsed(withBuckets("config:").replace("nats://127.0.0.1:4222", written));
    expect(entry(config.sites, "site-a").servers).toEqual([address]);
  });
});
