/**
 * Acknowledged publishes into a stream without a promise, a timer or a subscription per message: one reply inbox with
 * numbered replies, answered by callback. What the copy loop and the writer of load are built on.
 */
import { createInbox } from "@nats-io/transport-node";

/** @import { MsgHdrs, NatsConnection } from "@nats-io/transport-node" */
/** @typedef {(failure: Error | null) => void} Done */

/** @param {NatsConnection} connection */
export function createPublisher(connection) {
  const inbox = createInbox();
  const numberAt = inbox.length + 1;
  /** @type {Map<number, Done>} */
  const waiting = new Map();
  let published = 0;

  connection.subscribe(`${inbox}.*`, {
    callback: (failure, message) => {
      const number = Number(message.subject.slice(numberAt));
      const done = waiting.get(number);
      waiting.delete(number);
      done?.(failure ?? refusal(message.data));
    },
  });

  return {
    /**
     * @param {string} subject
     * @param {Uint8Array} payload
     * @param {MsgHdrs | undefined} headers
     * @param {Done} done
     */
    publish(subject, payload, headers, done) {
      const number = ++published;
      waiting.set(number, done);
      connection.publish(subject, payload, { reply: `${inbox}.${number}`, ...(headers && { headers }) });
    },
  };
}

/**
 * A stream answers `{"stream":"KV_b","seq":7}` or `{"error":…}`; nobody at all answers with an empty message.
 * @param {Uint8Array} answer
 */
function refusal(answer) {
  const text = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength).toString("latin1");
  if (text.includes('"seq":') && !text.includes('"error"')) return null;
  return new Error(text === "" ? "no stream takes this subject" : `the server refused a publish: ${text}`);
}

/**
 * Keeps up to `window` sends in flight until `total` are done; the first failure ends it.
 * @param {number} total
 * @param {number} window
 * @param {(number: number, done: Done) => void} send
 * @returns {Promise<void>}
 */
export function pipelined(total, window, send) {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let settled = 0;
    /** @type {Done} */
    const done = (failure) => {
      if (failure !== null) return reject(failure);
      settled++;
      if (sent < total) send(sent++, done);
      else if (settled === total) resolve();
    };
    while (sent < Math.min(window, total)) send(sent++, done);
  });
}
