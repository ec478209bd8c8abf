/**
 * `GET /`: the status for people, plain HTML without scripts that reloads itself. Every value is escaped, whatever its
 * source.
 */
import type { FastifyInstance } from "fastify";
import type { Reason } from "../core/events.js";
import { ageOf } from "../core/age.js";
import type { BucketStatus, GatewayStatus, PeerStatus } from "../gateway/status.js";

export interface PageDeps {
  status(): GatewayStatus;
}

const LINKS = ["/metrics", "/livez", "/readyz", "/api/v1/status", "/api/v1/config"];
const COLUMNS = ["bucket", "state", "keys", "tombstones", "conflicts", "set aside", "peers"];
const STYLE = "body{font:15px system-ui;margin:2em}td,th{padding:.3em .8em;text-align:left;vertical-align:top}";

export function registerPage(app: FastifyInstance, deps: PageDeps): void {
  app.get("/", (_request, reply) => reply.type("text/html; charset=utf-8").send(page(deps.status())));
}

function page(status: GatewayStatus): string {
  const rows = Object.entries<BucketStatus>(status.buckets).map((bucket) => bucketRow(bucket, Date.parse(status.now)));
  const error = status.config.lastError;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<title>kvgw ${escape(status.site)}</title><style>${STYLE}</style></head><body>
<h1>${escape(status.site)}: ${status.role === "standby" ? "standby, " : ""}${status.ready ? "ready" : "not ready"}</h1>
${paragraphs(status.notReady)}
${error === null ? "" : paragraphs([`The last config was refused: ${error}`])}
<table><tr>${COLUMNS.map((name) => `<th>${name}</th>`).join("")}</tr>
${rows.join("\n")}
</table>
<p>${LINKS.map((path) => `<a href="${path}">${path}</a>`).join(" · ")}</p>
<p>version ${escape(status.version)}, up since ${escape(status.startedAt)}, config ${escape(status.config.hash)}</p>
</body></html>
`;
}

function bucketRow([name, bucket]: readonly [string, BucketStatus], nowMs: number): string {
  const state = bucket.reason === null ? bucket.state : `${bucket.state}: ${bucket.reason.message}`;
  const peers = Object.entries<PeerStatus>(bucket.peers).map((peer) => peerCell(peer, nowMs));
  const numbers = [bucket.keys, bucket.tombstones, bucket.conflicts, bucket.setAside].map(String);
  const cells = [name, state, ...numbers].map(escape);
  return `<tr>${[...cells, peers.join("<br>")].map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

function peerCell([name, peer]: readonly [string, PeerStatus], nowMs: number): string {
  const because = (reason: Reason | null) => (reason === null ? "" : `: ${reason.message}`);
  const lag = `lag ${peer.lagOperations} operations, ${peer.lagSeconds} s`;
  const equal = `last equal ${ageOf(peer.lastEqualAt, nowMs)}`;
  const failed = peer.reconcile.reason === null ? "" : `, reconcile failed${because(peer.reconcile.reason)}`;
  return escape(`${name} ${peer.state}${because(peer.reason)}, ${lag}, ${equal}${failed}`);
}

function paragraphs(texts: readonly string[]): string {
  return texts.map((text) => `<p>${escape(text)}</p>`).join("\n");
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
