// A member of bucket `config` without a gateway: it writes its own operation log and reads the others', all JSON.
// Lines on stdin are its writes, `put KEY VALUE` or `delete KEY`; every operation that wins its key is printed.
import { createInterface } from "node:readline";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const [site, bucket, subject] = ["agent", "config", "rep.kv.ops.config"];
const natsA = process.env.KVGW_NATS_A ?? "nats://127.0.0.1:4222";
const natsB = process.env.KVGW_NATS_B ?? "nats://127.0.0.1:5222";
const homes = { [site]: natsA, "site-a": natsA, "site-b": natsB }; // where each site's log is
const entries = new Map(); // key → the operation that won it

const wins = (a, b) => b === undefined || a.ts > b.ts || (a.ts === b.ts && a.node_id > b.node_id);

function merge(operation) {
  if (!wins(operation, entries.get(operation.key))) return;
  entries.set(operation.key, operation);
  console.log(JSON.stringify(operation));
}

async function follow(origin, servers) {
  const nats = await connect({ servers, maxReconnectAttempts: -1, waitOnFirstConnect: true });
  const filter = { deliver_policy: "last_per_subject", filter_subjects: `${subject}.${origin}.>` };
  for (; ; await new Promise((resolve) => setTimeout(resolve, 1000))) {
    try {
      const consumer = await jetstream(nats).consumers.get(`KVGW_${origin}_${bucket}`, filter);
      for await (const message of await consumer.consume()) merge(message.json());
    } catch (error) {
      console.error(`log of ${origin}: ${error.message}; trying again`);
    }
  }
}

const nats = await connect({ servers: homes[site], maxReconnectAttempts: -1, waitOnFirstConnect: true });
const { streams } = await jetstreamManager(nats);
const log = { name: `KVGW_${site}_${bucket}`, subjects: [`${subject}.${site}.>`], max_msgs_per_subject: 1 };
await streams.add(log);
let ts = (await streams.getMessage(log.name, { last_by_subj: log.subjects[0] }))?.json().ts ?? 0;
for (const [origin, servers] of Object.entries(homes)) void follow(origin, servers);

for await (const line of createInterface({ input: process.stdin })) {
  const [, op, key, value] = /^(put|delete) (\S+) ?(.*)$/.exec(line) ?? [];
  if (op === undefined) continue;
  ts = Math.max(Date.now() * 1000, ts + 1, (entries.get(key)?.ts ?? 0) + 1);
  const operation = { op, bucket, key, value: op === "put" ? value : undefined, ts, node_id: site };
  const stored = jetstream(nats).publish(`${subject}.${site}.${key}`, JSON.stringify(operation));
  await stored.catch((error) => console.error(`${line}: ${error.message}; write it again`));
}
