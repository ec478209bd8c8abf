/**
 * The simulator's ports (`world/ports.ts`), counted: what comes from logs and tails, what is asked of peers, and how many
 * bytes that would be on the wire. It stands in for `src/gateway/build.ts`, as they do.
 */
import type { BucketConfig, GatewayConfig } from "../../../src/config/config.js";
import type { BucketStore, PeerLink, PulseLine, Questions } from "../../../src/core/ports.js";
import { encodePulse } from "../../../src/core/pulse.js";
import { encodeDigests, encodeHello, encodePage, encodeVersions } from "../../../src/core/question.js";
import type { BucketPorts, BuildDeps } from "../../../src/gateway/build.js";
import type { Heart, PulsePlace } from "../../../src/gateway/heart.js";
import { type SimConnections, buildBucketPorts as buildUncounted } from "../world/ports.js";
import type { SimSite } from "../world/site.js";
import type { Tally } from "./tally.js";

export { buildSitePorts, reach } from "../world/ports.js";

/** All sites of a run share one tally. */
export interface CountedSite extends SimSite {
  readonly tally: Tally;
}

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

export function buildBucketPorts(deps: BuildDeps, config: GatewayConfig, bucket: BucketConfig): BucketPorts {
  const { tally } = (deps.connections as SimConnections).siteNamed(config.site) as CountedSite;
  const ports = buildUncounted({ ...deps, heart: countedHeart(deps.heart, tally) }, config, bucket);
  return {
    ...ports,
    async open() {
      const open = await ports.open();
      return {
        ...open,
        store: countedStore(open.store, tally),
        peers: new Map([...open.peers].map(([peer, link]) => [peer, countedLink(link, tally)])),
        questions: new Map([...open.questions].map(([peer, asked]) => [peer, countedQuestions(asked, tally)])),
      };
    },
  };
}

const countedStore = (store: BucketStore, tally: Tally): BucketStore => ({
  ...store,
  tail: (handlers) =>
    store.tail({
      ...handlers,
      onEntry(entry, bytes) {
        tally.count("from the tail");
        handlers.onEntry(entry, bytes);
      },
    }),
});

const countedLink = (link: PeerLink, tally: Tally): PeerLink => ({
  ...link,
  read(from, windowMessages, handlers) {
    tally.count("consumers made");
    return link.read(from, windowMessages, {
      ...handlers,
      onOperation(logged, bytes) {
        tally.count("from logs");
        tally.count("bytes from logs", bytes);
        handlers.onOperation(logged, bytes);
      },
    });
  },
});

function countedQuestions(asked: Questions, tally: Tally): Questions {
  async function count<T>(verb: string, question: unknown, answer: Promise<T>, words: (answer: T) => unknown): Promise<T> {
    tally.count(`asked ${verb}`);
    tally.count(`bytes ${verb}`, bytesOf(question));
    const answered = await answer;
    tally.count(`answered ${verb}`);
    tally.count(`bytes ${verb}`, bytesOf(words(answered)));
    return answered;
  }
  return {
    hello: (asker) => count("hello", encodeHello(asker), asked.hello(asker), encodeHello),
    digests: (prefixes) => count("digests", { prefixes }, asked.digests(prefixes), encodeDigests),
    entries: (prefix, after) => count("entries", { prefix, after }, asked.entries(prefix, after), encodePage),
    versions: (keys) => count("versions", { keys }, asked.versions(keys), encodeVersions),
    // The value itself travels raw.
    fetch: (key) => count("fetch", { key }, asked.fetch(key), () => null),
  };
}

const countedHeart = (heart: Heart, tally: Tally): Heart => ({
  join: (bucket, site, places) => heart.join(bucket, site, new Map([...places].map(([at, place]) => [at, countedPlace(place, tally)]))),
});

const countedPlace = ({ key, open }: PulsePlace, tally: Tally): PulsePlace => ({ key, open: () => countedLine(open(), tally) });

const countedLine = (line: PulseLine, tally: Tally): PulseLine => ({
  ...line,
  async ask(peer, buckets) {
    tally.count("asked pulse");
    tally.count("bytes pulse", bytesOf({ buckets }));
    const answered = await line.ask(peer, buckets);
    tally.count("answered pulse");
    tally.count("bytes pulse", bytesOf(encodePulse({ site: peer, buckets: answered })));
    return answered;
  },
});
