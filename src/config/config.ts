/**
 * A configuration after parsing: every default filled in, every duration a number, every name checked, frozen.
 * What the rest of the program knows of the YAML.
 */
import type { BucketName, SiteId } from "../core/ids.js";

export interface GatewayConfig {
  /** Who this process is. */
  readonly site: SiteId;
  readonly sites: ReadonlyMap<SiteId, SiteConfig>;
  /** All buckets of the file, also those that this site does not take part in. */
  readonly buckets: ReadonlyMap<BucketName, BucketConfig>;
  readonly http: { readonly host: string; readonly port: number };
  readonly log: { readonly level: LogLevel };
  /** Hash of the meaning, not of the text: a changed comment changes nothing. */
  readonly hash: string;
}

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

/** Where a secret comes from; the value itself is read when a connection is made, so that it can be replaced. */
export type SecretSource =
  | { readonly from: "file"; readonly path: string }
  | { readonly from: "env"; readonly name: string }
  | { readonly from: "inline"; readonly value: string };

export type Credentials =
  | { readonly kind: "creds"; readonly creds: SecretSource }
  | { readonly kind: "password"; readonly user: string; readonly password: SecretSource }
  | { readonly kind: "token"; readonly token: SecretSource }
  | { readonly kind: "nkey"; readonly seed: SecretSource };

export interface TlsConfig {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly serverName?: string;
}

export interface SiteConfig {
  readonly id: SiteId;
  /** Addresses without logins. Empty only for a site that others reach by `via` or `domain`. */
  readonly servers: readonly string[];
  readonly credentials: Credentials | null;
  readonly tls: TlsConfig | null;
  /** The site whose connection leads there. */
  readonly via: SiteId | null;
  /** The JetStream domain of the site. A peer with a domain and no `via` is reached over the local connection. */
  readonly domain: string | null;
  /** What this gateway asks of the site per second, of all buckets together; 0 is no limit. */
  readonly bytesPerSecond: number;
  /** Which of the site's own gateways work: one, for which the others wait, or all, which share the buckets. */
  readonly gateways: "one" | "all";
}

export interface BucketConfig {
  readonly name: BucketName;
  /** Replication subject; operations travel on `<subject>.<origin>.<key>`. */
  readonly subject: string;
  /** The sites that take part, with the bucket's local name at each. */
  readonly sites: ReadonlyMap<SiteId, { readonly bucket: BucketName }>;
  readonly policy: "lww";
  readonly tombstoneTtlMs: number;
  readonly reconcileIntervalMs: number;
  readonly maxClockSkewMs: number;
  readonly format: "raw" | "json";
  /** Where the operation logs of this bucket live: at each site, or all at one hub. */
  readonly log: "local" | SiteId;
  readonly keys: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  readonly limits: { readonly inFlight: number; readonly opsPerSecond: number };
  /** 1 … 10, 10 first. */
  readonly priority: number;
  readonly create: false | { readonly history: number; readonly storage: "file" | "memory"; readonly replicas: number };
  readonly paused: boolean;
}

/** One thing that is wrong with a config text, and where. Lines and columns count from 1. */
export interface ConfigProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Such as `buckets.config.policy`; empty for the text as a whole. */
  readonly path: string;
  /** What is wrong and what would be right. */
  readonly message: string;
}

/** What applying a new config would do; each bucket stands in exactly one list. Sorted by name. */
export interface ReloadPlan {
  readonly start: readonly BucketName[];
  readonly stop: readonly BucketName[];
  readonly restart: readonly { readonly bucket: BucketName; readonly because: readonly string[] }[];
  readonly update: readonly { readonly bucket: BucketName; readonly fields: readonly string[] }[];
  readonly keep: readonly BucketName[];
  /** Settings that a running process cannot take over, such as `site`; not empty means that nothing is applied. */
  readonly refused: readonly { readonly path: string; readonly message: string }[];
}
