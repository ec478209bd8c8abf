/**
 * What a subject is: something that carries a bucket from A to B.
 *
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} differs what it does and does not do, in one sentence: it stands beside its numbers
 * @property {() => string | null} missing why it cannot be measured here, and what to do about it
 * @property {(stage: Stage, servers: { binary: string }) => Promise<any>} openSites where applications write and read: two
 *   nats-servers, or what else it brings
 * @property {(stage: Stage, sites: any) => Promise<Prepared>} prepare everything that is not to be measured
 *
 * @typedef {{ start(): Promise<Started> }} Prepared
 * @typedef {{ untilReady(): Promise<unknown> }} Started resolves once a write at A would be carried to B
 */

/** @import { Stage } from "../stage.mjs" */

export {};
