/**
 * A running gateway, asked over its HTTP API. Every question has an end, and what is not the answer of a gateway is an
 * error that says how to come to one.
 */
import { ERROR_REMEDY, type ErrorCode, GatewayError } from "../core/errors.js";
import { GATEWAY_ACT_MS, GATEWAY_ANSWER_MS } from "../core/limits.js";
import type {
  GatewayStatus,
  PauseOutcome,
  ReconcileRequest,
  SetAsideChange,
  SetAsideList,
  SetAsideSelection,
} from "../gateway/status.js";
import { printable } from "./wording.js";

/** KVGW_UNREACHABLE if no gateway answers there, KVGW_DENIED if it wants another token. */
export interface GatewayClient {
  status(): Promise<GatewayStatus>;
  /** The config in force in the form of the file, secrets blanked; null while none is loaded. */
  config(): Promise<unknown>;
  /** These fail with the gateway's own refusal, too: KVGW_USAGE for an unknown bucket, KVGW_BUCKET_NOT_RUNNING, … */
  reconcile(bucket: string): Promise<ReconcileRequest>;
  pause(bucket: string): Promise<PauseOutcome>;
  resume(bucket: string): Promise<PauseOutcome>;
  listSetAside(bucket: string): Promise<SetAsideList>;
  changeSetAside(bucket: string, what: "release" | "drop", selection: SetAsideSelection): Promise<SetAsideChange>;
}

/** KVGW_USAGE if `url` cannot be one. @param token sent as bearer */
export function createGatewayClient(url: string, token: string | undefined): GatewayClient {
  const base = parseBase(url);
  const headers = token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` };
  const get = (path: string) => ask(new URL(path, base), { headers, method: "GET", withinMs: GATEWAY_ANSWER_MS });
  const ofBucket = (bucket: string, what: string) => new URL(`api/v1/buckets/${encodeURIComponent(bucket)}/${what}`, base);
  const act = (bucket: string, what: string) =>
    ask(ofBucket(bucket, what), { headers, method: "POST", withinMs: GATEWAY_ACT_MS, mayRefuse: true });
  return {
    async status() {
      const answer = await get("api/v1/status");
      if (isStatus(answer)) return answer;
      throw unreachable(base, "what answers there is no gateway");
    },
    config: () => get("api/v1/config"),
    reconcile: async (bucket) => (await act(bucket, "reconcile")) as ReconcileRequest,
    pause: async (bucket) => (await act(bucket, "pause")) as PauseOutcome,
    resume: async (bucket) => (await act(bucket, "resume")) as PauseOutcome,
    async listSetAside(bucket) {
      const question = { headers, method: "GET", withinMs: GATEWAY_ANSWER_MS, mayRefuse: true } as const;
      return (await ask(ofBucket(bucket, "set-aside"), question)) as SetAsideList;
    },
    async changeSetAside(bucket, what, { key, origin }) {
      const which = new URLSearchParams({ ...(key === null ? { all: "true" } : { key }), ...(origin === null ? {} : { origin }) });
      return (await act(bucket, `set-aside/${what}?${which.toString()}`)) as SetAsideChange;
    },
  };
}

function parseBase(url: string): URL {
  const base = URL.canParse(url) ? new URL(url.endsWith("/") ? url : `${url}/`) : null;
  if (base !== null && /^https?:$/.test(base.protocol) && base.username === "" && base.password === "") return base;
  const message = "--gateway takes an address such as http://127.0.0.1:9480; a token goes into KVGW_TOKEN";
  throw new GatewayError("KVGW_USAGE", message);
}

interface Question {
  readonly method: "GET" | "POST";
  readonly headers: Record<string, string>;
  readonly withinMs: number;
  /** Whoever has a status to tell is a gateway, so only what is asked after that is refused by one. */
  readonly mayRefuse?: boolean;
}

async function ask(url: URL, { method, headers, withinMs, mayRefuse = false }: Question): Promise<unknown> {
  let response: Response;
  let text: string;
  try {
    // A redirect would carry the token to somebody else.
    response = await fetch(url, { method, headers, redirect: "error", signal: AbortSignal.timeout(withinMs) });
    text = await response.text();
  } catch (thrown) {
    throw unreachable(url, reasonOf(thrown, withinMs), thrown);
  }
  if (response.status === 401 || response.status === 403) {
    const message = `the gateway at ${url.origin} refuses (${response.status}); set KVGW_TOKEN to its token`;
    throw new GatewayError("KVGW_DENIED", message);
  }
  const answer = parseAnswer(text);
  if (!response.ok) {
    const refusal = mayRefuse ? refusalOf(answer) : null;
    throw refusal ?? unreachable(url, `it answers ${response.status}`);
  }
  if (isObject(answer) || answer === null) return answer;
  throw unreachable(url, "what answers there is no gateway");
}

/** Undefined if it is no JSON. */
function parseAnswer(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** What a gateway says when it refuses; null if nothing says so. */
function refusalOf(answer: unknown): GatewayError | null {
  if (!isObject(answer)) return null;
  const { code, message } = answer as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code !== "string" || typeof message !== "string" || !Object.hasOwn(ERROR_REMEDY, code)) return null;
  return new GatewayError(code as ErrorCode, printable(message));
}

function unreachable(url: URL, why: string, cause?: unknown): GatewayError {
  const advice = "start one there, or name another with --gateway or KVGW_GATEWAY";
  return new GatewayError("KVGW_UNREACHABLE", `no gateway at ${url.origin}: ${printable(why)}; ${advice}`, cause);
}

/** `fetch` hides the reason one or two levels deep. */
function reasonOf(thrown: unknown, withinMs: number): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.name === "TimeoutError") return `no answer within ${withinMs / 1_000} s`;
  const { cause } = thrown;
  const code = (cause as { readonly code?: unknown } | undefined)?.code;
  if (typeof code === "string") return code === "ECONNREFUSED" ? "nobody listens there" : code;
  return cause instanceof Error ? cause.message : thrown.message;
}

/** As far as the commands rely on it. */
function isStatus(answer: unknown): answer is GatewayStatus {
  if (!isObject(answer)) return false;
  const { site, buckets, config } = answer as Partial<Record<keyof GatewayStatus, unknown>>;
  return typeof site === "string" && isObject(buckets) && isObject(config);
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
