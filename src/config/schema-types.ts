// generated from schemas/gateway.schema.json by scripts/schema-types.mjs: do not edit; change the schema, then `npm run schema`
/**
 * User name; goes with `passwordFile`, `passwordEnv` or `password`.
 */
export type User = string;
/**
 * Which of the site's gateways work, where several run: `one` of them, and the others wait to take over; or `all`, and each bucket is worked by one of them.
 */
export type Gateways = "one" | "all";
/**
 * Settings for every bucket that does not say otherwise: any bucket setting but `subject`. `keys`, `limits` and `create` are merged setting by setting.
 */
export type BucketDefaults = {
  sites?: Participants;
  policy?: Policy;
  /**
   * How long a delete is remembered at least. It is forgotten only once every site has it, too. Larger than `reconcileInterval`.
   */
  tombstoneTtl?: string;
  /**
   * How often the sites are compared with each other and mended. At most 24d.
   */
  reconcileInterval?: string;
  /**
   * An operation that lies further than this in the future is set aside until its time comes.
   */
  maxClockSkew?: string;
  format?: Format;
  log?: LogPlace;
  keys?: Keys;
  limits?: Limits;
  create?: Create;
  priority?: Priority;
  paused?: Paused;
} | null;
/**
 * The sites that take part; left out, all of them. A map where the local bucket has another name at a site: `{ site-a: , site-b: { bucket: cfg } }`.
 */
export type Participants =
  | SiteName[]
  | {
      [k: string]: Participant;
    };
/**
 * Name of a site. It has no underscore, so that names on the wire stay unambiguous.
 */
export type SiteName = string;
/**
 * How the bucket looks at one site. Empty: as everywhere.
 */
export type Participant = {
  /**
   * Local name of the bucket at this site.
   */
  bucket?: string;
} | null;
/**
 * How concurrent writes of one key are decided. `lww`: the last writer wins, by `(ts, site)`.
 */
export type Policy = "lww";
/**
 * What an operation's payload looks like. `raw`: the value's bytes. `json`: `{op, bucket, key, value, ts, node_id}`, for simple agents in other languages.
 */
export type Format = "raw" | "json";
/**
 * Where the operation logs live: `local` at each site, or the name of a hub site whose JetStream holds every site's log. The hub need not take part in the bucket.
 */
export type LogPlace = string;
/**
 * Which keys take part, as NATS wildcards (`*` for one token, a last `>` for the rest). What is excluded is neither sent nor applied nor deleted.
 */
export type Keys = {
  /**
   * Keys that take part.
   *
   * @minItems 1
   * @maxItems 256
   */
  include?: KeyPattern[];
  /**
   * Keys that do not, even where `include` names them.
   *
   * @maxItems 256
   */
  exclude?: KeyPattern[];
} | null;
/**
 * Keys by NATS wildcards.
 */
export type KeyPattern = string;
/**
 * What the bucket may take of the machine.
 */
export type Limits = {
  /**
   * Writes under way at the same time, at most.
   */
  inFlight?: number;
  /**
   * Operations applied per second, at most; 0 for no limit.
   */
  opsPerSecond?: number;
} | null;
/**
 * How a local bucket that is missing is made; `false` waits until somebody else makes it. A bucket that exists is never changed.
 */
export type Create = false | CreateSettings;
/**
 * Which bucket catches up first over a link that several of them wait for: 10 first, 1 last. Each step has twice the share of the step below, so that the last one gets on, too.
 */
export type Priority = number;
/**
 * Holds the bucket's replication: nothing is sent or applied until it is false again.
 */
export type Paused = boolean;
/**
 * How one bucket is replicated. What is left out comes from `defaults`, then from the defaults named here.
 */
export type BucketSettings = {
  /**
   * Replication subject: operations travel on `<subject>.<origin>.<key>`. Left out it is `rep.kv.ops.<bucket>`. No bucket's subject may contain another's.
   */
  subject?: string;
  sites?: Participants;
  policy?: Policy;
  /**
   * How long a delete is remembered at least. It is forgotten only once every site has it, too. Larger than `reconcileInterval`.
   */
  tombstoneTtl?: string;
  /**
   * How often the sites are compared with each other and mended. At most 24d.
   */
  reconcileInterval?: string;
  /**
   * An operation that lies further than this in the future is set aside until its time comes.
   */
  maxClockSkew?: string;
  format?: Format;
  log?: LogPlace;
  keys?: Keys;
  limits?: Limits;
  create?: Create;
  priority?: Priority;
  paused?: Paused;
} | null;
/**
 * The HTTP server: API, metrics, health and status page.
 */
export type HttpSettings = {
  /**
   * Where to listen, `host:port`. Port 0 takes any free one; `0.0.0.0` listens on all addresses.
   */
  listen?: string;
} | null;
/**
 * The process's own log, JSON lines on stderr.
 */
export type LogSettings = {
  /**
   * The least important lines that are still written.
   */
  level?: "trace" | "debug" | "info" | "warn" | "error";
} | null;

/**
 * Configuration of nats-kv-gateway: which buckets are replicated between which sites, and how. One file serves every site. `${NAME}` and `${NAME:-default}` in values are replaced from the environment; `$${` stands for a literal `${`.
 */
export interface ConfigFile {
  /**
   * Version of this file format.
   */
  version: 1;
  /**
   * The site that this process serves: one of `sites`. `--site` and the environment variable `KVGW_SITE` win over it, in this order, so that one file serves every site.
   */
  site?: string;
  /**
   * Allows passwords, tokens and seeds to stand in this file (also as `user:password@` of a server address). Without it a secret comes from a file or from an environment variable.
   */
  allowInlineSecrets?: boolean;
  /**
   * Every site, by name: where its NATS is and how to log in there. Names are lower-case letters, digits and inner hyphens, at most 32 characters.
   */
  sites: {
    [k: string]: SiteSettings;
  };
  defaults?: BucketDefaults;
  /**
   * Every replicated bucket, by its name. `{}` stops them all; an entry without settings uses the defaults.
   */
  buckets: {
    [k: string]: BucketSettings;
  };
  http?: HttpSettings;
  log?: LogSettings;
}
/**
 * Where one site's NATS is, and how to log in there. A site needs `servers`, or `domain` to be reached over another connection.
 */
export interface SiteSettings {
  /**
   * Addresses of the NATS servers of the site (several for a cluster): `nats://host:port`, or `tls://host:port` where nothing but TLS will do. The site's own gateway needs them; other sites do where no `via` or `domain` leads there.
   *
   * @minItems 1
   * @maxItems 64
   */
  servers?: string[];
  credentials?: Credentials;
  /**
   * File with NATS credentials (JWT and seed), as `nsc` writes it. Read anew at each connection.
   */
  credsFile?: string;
  /**
   * Environment variable that holds NATS credentials (JWT and seed).
   */
  credsEnv?: string;
  user?: User;
  /**
   * File that holds the user's password. Read anew at each connection.
   */
  passwordFile?: string;
  /**
   * Environment variable that holds the user's password.
   */
  passwordEnv?: string;
  /**
   * The user's password itself; only with `allowInlineSecrets: true`.
   */
  password?: string;
  /**
   * File that holds a NATS token. Read anew at each connection.
   */
  tokenFile?: string;
  /**
   * Environment variable that holds a NATS token.
   */
  tokenEnv?: string;
  /**
   * The NATS token itself; only with `allowInlineSecrets: true`.
   */
  token?: string;
  /**
   * File that holds an NKey seed (`SU…`). Read anew at each connection.
   */
  nkeySeedFile?: string;
  /**
   * Environment variable that holds an NKey seed.
   */
  nkeySeedEnv?: string;
  /**
   * The NKey seed itself; only with `allowInlineSecrets: true`.
   */
  nkeySeed?: string;
  tls?: Tls;
  /**
   * Name of a site. It has no underscore, so that names on the wire stay unambiguous.
   */
  via?: string;
  /**
   * JetStream domain of the site. A site with a domain and no `via` is reached over the local connection.
   */
  domain?: string;
  /**
   * What this gateway asks of that site per second, of all buckets together, for a thin link; 0 for no limit. Buckets that wait for it take turns by their `priority`. One message must pass within about 5 seconds of it.
   */
  bytesPerSecond?: number;
  gateways?: Gateways;
}
/**
 * How to log in at the site's NATS, in one of four ways: `credsFile`; `user` and `passwordFile`; `tokenFile`; `nkeySeedFile`. Each has a form that names an environment variable instead. The same settings may stand directly in the site.
 */
export interface Credentials {
  /**
   * File with NATS credentials (JWT and seed), as `nsc` writes it. Read anew at each connection.
   */
  credsFile?: string;
  /**
   * Environment variable that holds NATS credentials (JWT and seed).
   */
  credsEnv?: string;
  user?: User;
  /**
   * File that holds the user's password. Read anew at each connection.
   */
  passwordFile?: string;
  /**
   * Environment variable that holds the user's password.
   */
  passwordEnv?: string;
  /**
   * The user's password itself; only with `allowInlineSecrets: true`.
   */
  password?: string;
  /**
   * File that holds a NATS token. Read anew at each connection.
   */
  tokenFile?: string;
  /**
   * Environment variable that holds a NATS token.
   */
  tokenEnv?: string;
  /**
   * The NATS token itself; only with `allowInlineSecrets: true`.
   */
  token?: string;
  /**
   * File that holds an NKey seed (`SU…`). Read anew at each connection.
   */
  nkeySeedFile?: string;
  /**
   * Environment variable that holds an NKey seed.
   */
  nkeySeedEnv?: string;
  /**
   * The NKey seed itself; only with `allowInlineSecrets: true`.
   */
  nkeySeed?: string;
}
/**
 * TLS to the site's servers. `{}` uses TLS with the system's certificate authorities.
 */
export interface Tls {
  /**
   * Certificate authorities to trust, PEM.
   */
  caFile?: string;
  /**
   * Client certificate, PEM; goes with `keyFile`.
   */
  certFile?: string;
  /**
   * Key of the client certificate, PEM; goes with `certFile`.
   */
  keyFile?: string;
  /**
   * Name that the server's certificate must show, where it differs from the host of the address.
   */
  serverName?: string;
}
/**
 * How a missing local bucket is made.
 */
export interface CreateSettings {
  /**
   * Revisions kept per key.
   */
  history?: number;
  /**
   * Where NATS keeps the bucket.
   */
  storage?: "file" | "memory";
  /**
   * Copies within the site's NATS cluster. A single server makes one. The operation log and the site's state get as many as the bucket has.
   */
  replicas?: number;
}
