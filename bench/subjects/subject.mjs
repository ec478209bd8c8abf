/**
 * What a subject is: something that carries a bucket from A to B.
 *
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} differs what it does and does not do, in one sentence: it stands beside its numbers
 * @property {boolean} leaf whether B is a leaf node of A, with JetStream domains
 * @property {boolean} bucketAtB whether the bucket exists at B before it starts
 * @property {(stage: Stage, sites: Sites) => Promise<Prepared>} prepare everything that is not to be measured
 *
 * @typedef {{ start(): Promise<Started> }} Prepared
 * @typedef {{ untilReady(): Promise<unknown> }} Started resolves once a write at A would be carried to B
 */

/** @import { Sites } from "../sites.mjs" */
/** @import { Stage } from "../stage.mjs" */

export {};
