/**
 * The way between one process and one NATS: requests and what the server pushes arrive in the order in which they were
 * sent, each direction for itself, as over TCP. A test or the simulator makes it slow, loses answers, cuts it, or kills
 * the process at its near end.
 */
import { GatewayError } from "../../src/core/errors.js";
import { PUBLISH_TIMEOUT_MS, REQUEST_TIMEOUT_MS } from "../../src/core/limits.js";
import type { Clock } from "../../src/core/ports.js";

/** What becomes of one write on its way; an error is the server's refusal. */
export type WriteFate = "arrives" | "request lost" | "answer lost" | GatewayError;

export interface Write {
  readonly to: "bucket" | "log" | "state";
  readonly key: string;
}

/** What may go wrong. Each function is asked once per message and may be replaced at any time. */
export interface Faults {
  /** Milliseconds that the message takes. */
  delayMs: () => number;
  fate: (write: Write) => WriteFate;
  /** Whether a request that was under way when the connection broke still arrives. */
  arrivesAfterCut: () => boolean;
  /** What becomes of a request that is no write; arrives where nothing is said. */
  requestFate?: () => WriteFate;
  /** How long the server takes until it looks what it has for a consumer; at once where nothing is said. What has been
   *  replaced meanwhile is never sent. */
  lagMs?: () => number;
  /** How long it takes from storing a write to sending the answer, in which a consumer may be quicker. */
  answerLagMs?: () => number;
}

/** One way of the two. */
export type Direction = "to server" | "to client";

export const noFaults = (): Faults => ({ delayMs: () => 0, fate: () => "arrives", arrivesAfterCut: () => false });

export interface MemoryConnection {
  readonly faults: Faults;
  connected(): boolean;
  /** `work` happens at the server. `done` hears once what it answered, a refusal, or that nothing is known. */
  publish<T>(write: Write, work: () => T, done: (answer: T | GatewayError | "unknown") => void): void;
  /** As a promise; KVGW_UNREACHABLE without a connection, KVGW_TIMEOUT without an answer. */
  request<T>(work: () => T): Promise<T>;
  /** Something that the server sends by itself. */
  push(deliver: () => void): void;
  /** Something that the server does when it comes to it. */
  whenServerIsReady(work: () => void): void;
  onCut(listener: () => void): () => void;
  onUp(listener: () => void): () => void;
  cut(): void;
  heal(): void;
  /** The process is gone: what it has sent still arrives, nothing comes back. */
  kill(): void;
  /** Nothing arrives in this direction until it is let go: it waits on the way, in order, as over TCP. */
  hold(direction: Direction): void;
  letGo(direction: Direction): void;
  /** Whatever is on its way to the server never arrives, as when the server dies. */
  forget(): void;
}

/** One connection from its start to its break; a message of an older one is not delivered. */
interface Life {
  over: boolean;
  serverFreeMs: number;
  clientFreeMs: number;
  answersFreeMs: number;
  readonly waiting: Set<() => void>;
}

const newLife = (): Life => ({ over: false, serverFreeMs: 0, clientFreeMs: 0, answersFreeMs: 0, waiting: new Set() });

/** @param near the clock of the process, which may be stopped for a while: its timers, and when it takes in what came */
export function createMemoryConnection(clock: Clock, faults: Faults = noFaults(), near: Clock = clock): MemoryConnection {
  const ways = { "to server": createWay(clock), "to client": createWay(clock) };
  let sentSince = 0;
  const cutListeners = new Set<() => void>();
  const upListeners = new Set<() => void>();
  let life = newLife();
  let dead = false;

  function toServer(own: Life, arrive: () => void): void {
    own.serverFreeMs = Math.max(own.serverFreeMs, clock.nowMs() + faults.delayMs());
    const sentIn = sentSince;
    const reach = () => {
      if (sentIn === sentSince && (!own.over || dead || faults.arrivesAfterCut())) arrive();
    };
    clock.schedule(own.serverFreeMs - clock.nowMs(), () => ways["to server"].pass(reach));
  }

  function toClient(own: Life, arrive: () => void): void {
    own.clientFreeMs = Math.max(own.clientFreeMs, clock.nowMs() + faults.delayMs());
    const reach = () => {
      if (!own.over) arrive();
    };
    near.schedule(own.clientFreeMs - clock.nowMs(), () => ways["to client"].pass(reach));
  }

  /** Sends `work`; `done` is called once, with what `none` makes if no answer comes in time or the connection breaks. */
  function call<T, N>(
    fate: WriteFate,
    work: () => T,
    timeoutMs: number,
    none: () => N,
    done: (answer: T | N | GatewayError) => void,
  ): void {
    const own = life;
    const settle = (answer: T | N | GatewayError) => {
      if (!own.waiting.delete(giveUp)) return;
      cancel();
      if (!dead) done(answer);
    };
    const giveUp = () => settle(none());
    own.waiting.add(giveUp);
    const cancel = near.schedule(timeoutMs, giveUp);
    if (fate === "request lost") return;
    toServer(own, () => {
      const answer = fate instanceof GatewayError ? fate : work();
      if (fate !== "answer lost") afterAnswerLag(own, () => toClient(own, () => settle(answer)));
    });
  }

  /** Answers keep their order among each other. */
  function afterAnswerLag(own: Life, send: () => void): void {
    const nowMs = clock.nowMs();
    own.answersFreeMs = Math.max(own.answersFreeMs, nowMs + (faults.answerLagMs?.() ?? 0));
    if (own.answersFreeMs > nowMs) clock.schedule(own.answersFreeMs - nowMs, send);
    else send();
  }

  function end(): Life {
    const own = life;
    own.over = true;
    return own;
  }

  return {
    faults,
    connected: () => !life.over,
    publish(write, work, done) {
      const fate = faults.fate(write);
      if (dead) return;
      if (life.over) return done(unreachable());
      call(fate, work, PUBLISH_TIMEOUT_MS, () => "unknown" as const, done);
    },
    request: <T>(work: () => T) =>
      new Promise<T>((resolve, reject) => {
        if (dead) return;
        if (life.over) return reject(unreachable());
        const attempted = () => attempt(work);
        call(faults.requestFate?.() ?? "arrives", attempted, REQUEST_TIMEOUT_MS, timedOut, (answer) => {
          if (answer instanceof GatewayError) reject(answer);
          else resolve(answer.value);
        });
      }),
    push: (deliver) => toClient(life, deliver),
    whenServerIsReady(work) {
      const lagMs = faults.lagMs?.() ?? 0;
      if (lagMs > 0) clock.schedule(lagMs, work);
      else work();
    },
    onCut(listener) {
      cutListeners.add(listener);
      return () => void cutListeners.delete(listener);
    },
    onUp(listener) {
      upListeners.add(listener);
      return () => void upListeners.delete(listener);
    },
    cut() {
      if (life.over) return;
      for (const giveUp of [...end().waiting]) giveUp();
      for (const listener of [...cutListeners]) listener();
    },
    heal() {
      if (!life.over || dead) return;
      life = newLife();
      for (const listener of [...upListeners]) listener();
    },
    kill() {
      dead = true;
      end();
    },
    hold: (direction) => ways[direction].close(),
    letGo: (direction) => ways[direction].open(),
    forget: () => void sentSince++,
  };
}

/** A way that may be closed: what comes then waits, and goes on in order once it is open. */
function createWay(clock: Clock) {
  const waiting: (() => void)[] = [];
  let closed = false;
  let draining = false;

  function drain(): void {
    draining = !closed && waiting.length > 0;
    if (!draining) return;
    waiting.shift()?.();
    clock.schedule(0, drain);
  }

  return {
    pass(work: () => void): void {
      if (closed || draining) waiting.push(work);
      else work();
    },
    close: () => void (closed = true),
    open(): void {
      closed = false;
      if (!draining) drain();
    },
  };
}

/** What the server threw is its answer too. */
function attempt<T>(work: () => T): { readonly value: T } | GatewayError {
  try {
    return { value: work() };
  } catch (thrown) {
    if (thrown instanceof GatewayError) return thrown;
    throw thrown;
  }
}

const unreachable = () => new GatewayError("KVGW_UNREACHABLE", "not connected; retried until it is");
const timedOut = () => new GatewayError("KVGW_TIMEOUT", "the server did not answer; retried");
