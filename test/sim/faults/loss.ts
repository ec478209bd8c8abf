/**
 * Faults in which something durable is lost or comes back: streams purged, put back to older copies, deleted. What is
 * lost stands in the history, so that the checker asks nothing impossible.
 */
import type { MemoryStream } from "../../memory/stream.js";
import type { PlannedFault } from "../plan.js";
import type { World } from "../world/world.js";
import { FAULT, type FaultKind } from "./fault.js";

type Place = "bucket" | "log";

const streamOf = (world: World, { site, bucket }: PlannedFault, place: Place): MemoryStream | undefined =>
  world.sites.get(site)?.buckets.get(bucket)?.[place];

/** Removes keys whose last message is so, with their history and without an event. */
function purgeSome(world: World, fault: PlannedFault, place: Place, isWanted: (block: string) => boolean): string | null {
  const stream = streamOf(world, fault, place);
  if (stream === undefined) return null;
  const draw = world.draw.fork(`purge ${fault.atMs}`);
  const lasts = stream.lastOfEach().flatMap((sequence) => stream.next(sequence) ?? []);
  const chosen = lasts.filter(({ block }) => isWanted(block) && draw.chance(0.5));
  for (const { subject } of chosen) stream.purge(subject);
  return chosen.length === 0 ? null : `${chosen.length} messages of the ${place} ${fault.bucket} at ${fault.site}`;
}

/** How often a stream has been put back or made anew: what a copy from before that says of sequences is not true any more. */
const rewinds = new WeakMap<MemoryStream, number>();

const sequencesOf = (stream: MemoryStream): readonly number[] => (stream.exists() ? Array.from(stream.messages(), ({ sequence }) => sequence) : []);

/** As it is now it will be again later, unless another rewind happens in between. */
function rewind(world: World, fault: PlannedFault, places: readonly Place[]): string | null {
  const { site, bucket, lastsMs } = fault;
  const streams = places.flatMap((place) => {
    const stream = streamOf(world, fault, place);
    return stream?.exists() === true ? [{ place, stream, putBack: stream.copy(), rewound: rewinds.get(stream) ?? 0, ...stream.mark() }] : [];
  });
  if (streams.length === 0) return null;
  world.endAfter(lastsMs, () => {
    if (streams.some(({ stream, rewound }) => (rewinds.get(stream) ?? 0) !== rewound)) return;
    for (const { place, stream, putBack, rewound, lastSequence, created } of streams) {
      rewinds.set(stream, rewound + 1);
      const sequence = stream.mark().created === created ? lastSequence : 0;
      const before = new Set(sequencesOf(stream));
      putBack();
      const back = place === "log" ? sequencesOf(stream).filter((each) => !before.has(each)) : [];
      world.recorder.add({ what: "lost", place, site, bucket, sequence, back });
    }
  });
  return `${places.join(" and ")} of ${bucket} at ${site} will be put back to how it is now, in ${lastsMs} ms`;
}

function destroy(world: World, fault: PlannedFault, place: Place): string | null {
  const { site, bucket } = fault;
  const stream = streamOf(world, fault, place);
  if (stream?.exists() !== true) return null;
  stream.destroy();
  rewinds.set(stream, (rewinds.get(stream) ?? 0) + 1);
  world.recorder.add({ what: "lost", place, site, bucket, sequence: 0 });
  // A bucket is made again by whoever runs the applications; a log by its gateway.
  if (place === "bucket") stream.create();
  return `the ${place} ${bucket} at ${site} is deleted${place === "bucket" ? " and made anew" : ""}`;
}

const isMarker = (block: string) => block.includes("KV-Operation");

const REWIND = { ...FAULT, onBucket: true, atMost: 2, lastsMs: [500, 20_000] } as const;

export const LOSS_FAULTS: readonly FaultKind[] = [
  {
    ...FAULT,
    name: "operations purged from a log",
    onBucket: true,
    strike: (world, fault) => purgeSome(world, fault, "log", () => true),
  },
  {
    ...FAULT,
    name: "values purged by a client",
    onBucket: true,
    strike: (world, fault) => purgeSome(world, fault, "bucket", (block) => !isMarker(block)),
  },
  {
    ...FAULT,
    name: "any markers purged by a client",
    onBucket: true,
    strike: (world, fault) => purgeSome(world, fault, "bucket", isMarker),
  },
  { ...REWIND, name: "bucket rewound", strike: (world, fault) => rewind(world, fault, ["bucket"]) },
  { ...REWIND, name: "log rewound", strike: (world, fault) => rewind(world, fault, ["log"]) },
  { ...REWIND, name: "bucket and log rewound", strike: (world, fault) => rewind(world, fault, ["bucket", "log"]) },
  { ...REWIND, name: "bucket deleted", strike: (world, fault) => destroy(world, fault, "bucket") },
  { ...REWIND, name: "log deleted", strike: (world, fault) => destroy(world, fault, "log") },
];
