/** How a connection is made: servers, credentials and TLS as the config says, and what the library is to do by itself. */
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import type { Credentials, SecretSource, SiteConfig } from "../config/config.js";
import { CONNECT_TIMEOUT_MS, PING_INTERVAL_MS, RECONNECT_WAIT_MS } from "../core/limits.js";

export interface ConnectionOptionsDeps {
  readonly clientName: string;
  readonly readSecret: (source: SecretSource) => string;
}

export function connectionOptions(deps: ConnectionOptionsDeps, site: SiteConfig): ConnectionOptions {
  const { credentials, tls } = site;
  // `tls://` asks for TLS or nothing; without either, TLS is used where the server offers it.
  const mustBeTls = tls !== null || site.servers.some((server) => server.startsWith("tls://"));
  const serverName = tls?.serverName === undefined ? {} : { servername: tls.serverName };
  return {
    servers: [...site.servers],
    name: deps.clientName,
    timeout: CONNECT_TIMEOUT_MS,
    // The library reconnects without end; a bound here would only move the loop into our hands.
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    ignoreAuthErrorAbort: true,
    // Saves a stack capture for every request.
    noAsyncTraces: true,
    ...(mustBeTls ? { tls: { ...tls, ...serverName } } : {}),
    ...(credentials === null ? {} : { authenticator: authenticator(credentials, deps.readSecret) }),
  };
}

function authenticator(credentials: Credentials, readSecret: (source: SecretSource) => string): Authenticator {
  const text = (source: SecretSource) => () => readSecret(source);
  const bytes = (source: SecretSource) => () => new TextEncoder().encode(readSecret(source));
  switch (credentials.kind) {
    case "creds":
      return credsAuthenticator(bytes(credentials.creds));
    case "password":
      return usernamePasswordAuthenticator(credentials.user, text(credentials.password));
    case "token":
      return tokenAuthenticator(text(credentials.token));
    case "nkey":
      return nkeyAuthenticator(bytes(credentials.seed));
  }
}

