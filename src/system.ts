/**
 * The only ambient effects of the program: time, timers, randomness and secrets. Everything else gets them as ports, so
 * that whole sites can run under virtual time.
 */
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import type { SecretSource } from "./config/config.js";
import { GatewayError } from "./core/errors.js";
import type { Clock, Random } from "./core/ports.js";

/** @param offsetMs zero in production; tests give a site a wrong clock with it */
export function createSystemClock(offsetMs = 0): Clock {
  return {
    nowMs: () => Date.now() + offsetMs,
    elapsedMs: () => performance.now(),
    schedule(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => clearTimeout(timer);
    },
  };
}

/** One signal ends all that a bucket does, and that are some listeners for each of its sites: Node takes more than ten for a
 *  leak and says so on stderr, where only log lines belong. */
export const allowManyListeners = (): void => setMaxListeners(0);

export const systemRandom: Random = { next: () => Math.random() };

/** KVGW_SECRET_UNREADABLE, without the secret. */
export function readSecret(source: SecretSource): string {
  switch (source.from) {
    case "inline":
      return source.value;
    case "env": {
      const value = process.env[source.name];
      if (value !== undefined) return value.trim();
      throw new GatewayError("KVGW_SECRET_UNREADABLE", `environment variable ${source.name} is not set; set it and try again`);
    }
    case "file":
      try {
        return readFileSync(source.path, "utf8").trim();
      } catch (thrown) {
        throw new GatewayError("KVGW_SECRET_UNREADABLE", `secret file ${source.path} cannot be read; check path and mode`, thrown);
      }
  }
}
