/**
 * Who may talk to the server, and what answers allow a browser to do. A gateway on loopback is reachable from every
 * page that the operator has open: a page may make its own host name resolve to 127.0.0.1 (DNS rebinding) or post to
 * us across origins. Both show in headers that a page cannot forge.
 */

const LOOPBACK_BIND = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/i;
const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

export const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** Bound elsewhere the gateway cannot know its names, so every host is taken. */
export function isHostAllowed(boundTo: string, host: string | undefined): boolean {
  if (!LOOPBACK_BIND.test(boundTo)) return true;
  return host !== undefined && LOOPBACK_HOST.test(host);
}

/** Only browsers send `Origin`; what is not a browser has nothing to be protected from here. */
export function isOriginAllowed(host: string | undefined, origin: string | undefined): boolean {
  if (origin === undefined) return true;
  if (host === undefined) return false;
  const own = host.toLowerCase();
  return [`http://${own}`, `https://${own}`].includes(origin.toLowerCase());
}
