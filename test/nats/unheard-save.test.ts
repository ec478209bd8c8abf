/** A save into the site's state that nobody takes, as while a cluster elects a leader: it is waited for, and not for ever. */
import { type JetStreamManager, jetstreamManager } from "@nats-io/jetstream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { STATE_PATIENCE_MS } from "../../src/core/limits.js";
import { createSiteState } from "../../src/nats/site-state.js";
import { siteNamed } from "../core/names.js";
import { eventually } from "../support/eventually.js";
import { type Stage, createStage } from "./leasing.js";

const SITE = siteNamed("site-a");
const STREAM = "KV_KVGW_site-a";

let stage: Stage;
let manager: JetStreamManager;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  stage = await createStage("2.15", (close) => closing.unshift(close));
  manager = await jetstreamManager(stage.app);
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** The server says that nobody listens, as it does of a stream without a leader. */
async function silence() {
  const { config } = await manager.streams.info(STREAM);
  await manager.streams.delete(STREAM);
  const sent: string[] = [];
  const { nats } = stage.own.link();
  const request = nats.request.bind(nats);
  nats.request = (subject, ...rest) => {
    sent.push(subject);
    return request(subject, ...rest);
  };
  return { sent, heal: () => manager.streams.add(config) };
}

it("arrives as soon as somebody takes it", async () => {
  const state = createSiteState(stage.own, SITE, stage.clock);
  await state.save("k", 1);
  const { sent, heal } = await silence();
  const saved = state.save("k", 2);
  await eventually(() => expect(sent.length).toBeGreaterThan(1), { what: "it was tried again" });
  await heal();
  expect(await saved).toBe(1);
  expect((await state.load("k")).value).toBe(2);
});

it("fails when its time is over", async () => {
  let lateMs = 0;
  const state = createSiteState(stage.own, SITE, { ...stage.clock, elapsedMs: () => stage.clock.elapsedMs() + lateMs });
  await state.save("k", 1);
  const { sent } = await silence();
  const saved = expect(state.save("k", 2)).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
  await eventually(() => expect(sent.length).toBeGreaterThan(1), { what: "it was tried again" });
  lateMs = STATE_PATIENCE_MS;
  await saved;
});

it("is not tried again over another connection", async () => {
  const state = createSiteState(stage.own, SITE, stage.clock);
  await state.save("k", 1);
  const { sent } = await silence();
  const saved = expect(state.save("k", 2)).rejects.toMatchObject({ code: "KVGW_STATE_UNAVAILABLE" });
  await eventually(() => expect(sent.length).toBeGreaterThan(1), { what: "it was tried again" });
  await stage.own.link().nats.reconnect();
  await saved;
  const tried = sent.length;
  await eventually(() => stage.own.connected(), { what: "the connection is back" });
  await eventually(() => expect(stage.clock.scheduled()).toBe(0), { what: "nothing waits any more" });
  expect(sent.length).toBe(tried);
});
