/**
 * Addresses of NATS servers: `nats://` or `tls://`, a host and a port. A login inside an address is
 * taken out, so that no address that is logged or shown holds a secret.
 */
import { type Result, err, ok } from "../core/result.js";

export interface ServerAddress {
  /** Without login. */
  readonly url: string;
  readonly login: { readonly user: string; readonly password: string | null } | null;
}

/** No `ws://`: the client's transport for Node is TCP. */
const SCHEMES: readonly string[] = ["nats:", "tls:"];

export function parseServerAddress(text: string): Result<ServerAddress, string> {
  if (/\s/.test(text)) return err("an address holds no spaces");
  if (text.includes(",")) return err('one address per list entry: ["nats://a:4222", "nats://b:4222"]');
  if (!/^[a-z]+:\/\//.test(text)) return err("begin it with a scheme, such as nats://host:4222");
  const url = parseUrl(text);
  if (url === null) return err("expected scheme://host:port such as nats://127.0.0.1:4222");
  if (!SCHEMES.includes(url.protocol)) return err(`unknown scheme ${url.protocol}//; known: nats://, tls://`);
  if (url.hostname === "") return err("the host is missing");
  if (url.search !== "" || url.hash !== "") return err("an address ends after its port; remove the ? or # part");
  const hasPath = url.pathname !== "" && url.pathname !== "/";
  if (hasPath) return err(`an address ends after its port; remove ${url.pathname}`);
  const login = loginOf(url);
  if (login === undefined) return err("the login in the address is not percent-encoded correctly");
  return ok({ url: `${url.protocol}//${url.host}`, login });
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}

/** Undefined if it cannot be decoded. */
function loginOf(url: URL): ServerAddress["login"] | undefined {
  if (url.username === "" && url.password === "") return null;
  try {
    return {
      user: decodeURIComponent(url.username),
      password: url.password === "" ? null : decodeURIComponent(url.password),
    };
  } catch {
    return undefined;
  }
}
