/** The types of nats-server.mjs: the demo and the tests, which are TypeScript, import it through these. */

export type ServerVersion = "2.15" | "2.10" | "2.9";

export interface FoundServer {
  /** Absolute. */
  readonly path: string;
  /** What the binary itself says, such as "2.15.1". */
  readonly version: string;
}

/** What the search depends on. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** As the release archives name it, such as "linux-amd64". */
  readonly platform: string;
  readonly projectRoot: string;
  /** The first that exists verifies Debian's signatures; none means no download from Debian. */
  readonly keyrings: readonly string[];
  readonly releaseUrl: string;
  readonly releases: Readonly<Record<ServerVersion, PinnedRelease>>;
  /** For each source of a download. */
  readonly downloadTimeoutMs: number;
}

export interface PinnedRelease {
  readonly release: string;
  /** By platform. */
  readonly sha256: Readonly<Record<string, string>>;
}

export interface FindOptions {
  /** Without one, any server from 2.9 on that the user provides will do, and 2.15 is downloaded. */
  readonly version?: ServerVersion | undefined;
  /** Gets a line before anything that takes seconds. */
  readonly log?: (line: string) => void;
  readonly machine?: Machine;
}

export function findNatsServer(options?: FindOptions): Promise<FoundServer>;
