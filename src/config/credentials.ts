/**
 * The ways to log in at a site, as they stand in the YAML: what is wrong with them, and what they come to. A secret
 * stands in the file only where `allowInlineSecrets` says so; that holds for logins in server addresses, too.
 */
import type { Credentials, SecretSource } from "./config.js";
import type { ConfigPath, Finding } from "./path.js";
import type { Credentials as CredentialSettings, SiteSettings } from "./schema-types.js";
import { type ServerAddress, parseServerAddress } from "./server-address.js";

type Kind = Credentials["kind"];
type SecretSetting = Exclude<keyof CredentialSettings, "user">;

const SECRETS: Readonly<Record<SecretSetting, { readonly kind: Kind; readonly from: SecretSource["from"] }>> = {
  credsFile: { kind: "creds", from: "file" },
  credsEnv: { kind: "creds", from: "env" },
  passwordFile: { kind: "password", from: "file" },
  passwordEnv: { kind: "password", from: "env" },
  password: { kind: "password", from: "inline" },
  tokenFile: { kind: "token", from: "file" },
  tokenEnv: { kind: "token", from: "env" },
  token: { kind: "token", from: "inline" },
  nkeySeedFile: { kind: "nkey", from: "file" },
  nkeySeedEnv: { kind: "nkey", from: "env" },
  nkeySeed: { kind: "nkey", from: "inline" },
};

const SECRET_SETTINGS = Object.keys(SECRETS) as readonly SecretSetting[];

export function checkCredentials(
  site: SiteSettings,
  path: ConfigPath,
  allowInlineSecrets: boolean,
): readonly Finding[] {
  const direct = ["user" as const, ...SECRET_SETTINGS].find((setting) => site[setting] !== undefined);
  if (site.credentials !== undefined && direct !== undefined) {
    return [
      { path: [...path, direct], atKey: true, message: `${direct} stands beside \`credentials\`; put it inside` },
    ];
  }
  const settings = site.credentials ?? site;
  const at = site.credentials === undefined ? path : [...path, "credentials"];
  return [
    ...checkOneWay(settings, at),
    ...(allowInlineSecrets ? [] : checkNotInline(settings, at)),
    ...checkLogins(site, path, allowInlineSecrets, given(settings).length > 0 || settings.user !== undefined),
  ];
}

export function readCredentials(site: SiteSettings, place: (path: string) => string): Credentials | null {
  const settings = site.credentials ?? site;
  const [setting] = given(settings);
  if (setting === undefined) return credentialsOfLogin(site);
  const { kind, from } = SECRETS[setting];
  const source = secretSource(from, settings[setting] ?? "", place);
  if (kind === "creds") return { kind, creds: source };
  if (kind === "token") return { kind, token: source };
  if (kind === "nkey") return { kind, seed: source };
  return { kind, user: settings.user ?? "", password: source };
}

/** The inverse: the settings that come to these credentials. */
export function writeCredentials(credentials: Credentials, hide: (secret: string) => string): CredentialSettings {
  const source = sourceOf(credentials);
  const setting = SECRET_SETTINGS.find(
    (name) => SECRETS[name].kind === credentials.kind && SECRETS[name].from === source.from,
  );
  if (setting === undefined) return {};
  const value = source.from === "inline" ? hide(source.value) : source.from === "file" ? source.path : source.name;
  return { ...(credentials.kind === "password" ? { user: credentials.user } : {}), [setting]: value };
}

export function sourceOf(credentials: Credentials): SecretSource {
  switch (credentials.kind) {
    case "creds":
      return credentials.creds;
    case "password":
      return credentials.password;
    case "token":
      return credentials.token;
    case "nkey":
      return credentials.seed;
  }
}

function secretSource(from: SecretSource["from"], value: string, place: (path: string) => string): SecretSource {
  if (from === "file") return { from, path: place(value) };
  return from === "env" ? { from, name: value } : { from, value };
}

const given = (settings: CredentialSettings): readonly SecretSetting[] =>
  SECRET_SETTINGS.filter((setting) => settings[setting] !== undefined);

function checkOneWay(settings: CredentialSettings, path: ConfigPath): readonly Finding[] {
  const [first, second] = given(settings);
  if (second !== undefined) {
    const message = `two ways to log in, ${first} and ${second}; keep one of them`;
    return [{ path: [...path, second], atKey: true, message }];
  }
  const isPassword = first !== undefined && SECRETS[first].kind === "password";
  if (isPassword && settings.user === undefined) {
    return [{ path: [...path, first], atKey: true, message: `${first} needs \`user\` beside it` }];
  }
  if (settings.user === undefined || isPassword) return [];
  const message =
    "`user` goes with passwordFile or passwordEnv; " + (first === undefined ? "add one" : `remove it, or ${first}`);
  return [{ path: [...path, "user"], atKey: true, message }];
}

function checkNotInline(settings: CredentialSettings, path: ConfigPath): readonly Finding[] {
  return given(settings)
    .filter((setting) => SECRETS[setting].from === "inline")
    .map((setting) => ({
      path: [...path, setting],
      message: `a secret in this file; use ${setting}File or ${setting}Env, or set allowInlineSecrets: true`,
    }));
}

/** Logins in addresses: allowed, the only way to log in, and the same in all addresses of the site. */
function checkLogins(site: SiteSettings, path: ConfigPath, allowed: boolean, otherWay: boolean): readonly Finding[] {
  const findings: Finding[] = [];
  const first = loginsOf(site)[0]?.login;
  loginsOf(site).forEach(({ login }, index) => {
    const complain = (message: string): unknown => findings.push({ path: [...path, "servers", index], message });
    if (login !== null && !allowed) {
      complain("a secret in this file: the address holds a login; use credentials, or set allowInlineSecrets: true");
    } else if (login !== null && otherWay) {
      complain("two ways to log in, credentials and the login in this address; keep one of them");
    } else if (login?.user !== first?.user || login?.password !== first?.password) {
      complain("the addresses of one site hold different logins; use the same in all of them, or credentials");
    }
  });
  return findings;
}

function credentialsOfLogin(site: SiteSettings): Credentials | null {
  const login = loginsOf(site)[0]?.login ?? null;
  if (login === null) return null;
  if (login.password === null) return { kind: "token", token: { from: "inline", value: login.user } };
  return { kind: "password", user: login.user, password: { from: "inline", value: login.password } };
}

function loginsOf(site: SiteSettings): readonly { readonly login: ServerAddress["login"] }[] {
  return (site.servers ?? []).map((text) => {
    const address = parseServerAddress(text);
    return { login: address.ok ? address.value.login : null };
  });
}
