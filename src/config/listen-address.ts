/**
 * `host:port` of the HTTP server. The schema has judged its form; the port is judged here.
 */
import { type Result, err, ok } from "../core/result.js";

const PORT_MAX = 65_535;

export function parseListen(text: string): Result<{ readonly host: string; readonly port: number }, string> {
  const colon = text.lastIndexOf(":");
  const port = Number(text.slice(colon + 1));
  if (port > PORT_MAX) return err(`port ${port} does not exist; ports end at ${PORT_MAX}, and 0 takes any free one`);
  return ok({ host: text.slice(0, colon).replace(/^\[(.*)\]$/, "$1"), port });
}

export function formatListen({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
