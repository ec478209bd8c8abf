/**
 * What goes wrong when, drawn from a seed before anything starts. Kinds are dealt like cards: each comes once (or as often
 * as its weight says) before any comes again, so that also a short run has had them all.
 */
import { type Draw, createDraw } from "../sim/draw.js";
import { SITES } from "./config-text.js";
import type { FaultKind, PlannedFault } from "./faults/fault.js";
import { FAULT_KINDS } from "./faults/table.js";

/** One stretch of faults under load; then all is healed, and the sites must become equal. */
export interface Episode {
  readonly faults: readonly PlannedFault[];
  readonly lengthMs: number;
}

export interface ChaosPlan {
  readonly seed: number;
  readonly episodes: readonly Episode[];
}

/** A longer run is several of these, so that it looks several times whether the sites become equal. */
const EPISODE_MS = 75_000;
const GAP_MS = { min: 1_000, max: 4_000 } as const;
/** Of an episode: nothing begins in its last part. */
const STRIKING = 0.92;

/** @param everyMs how far faults are apart, on average; where nothing is said, so that every kind comes once in an episode */
export function drawPlan(seed: number, lengthMs: number, everyMs: number | null = null): ChaosPlan {
  const draw = createDraw(seed);
  const count = Math.max(1, Math.round(lengthMs / EPISODE_MS));
  const deck = createDeck(FAULT_KINDS, draw.fork("kinds"));
  const episodes = Array.from({ length: count }, (_, index) => drawEpisode(draw.fork(`episode ${index}`), lengthMs / count, deck, everyMs));
  return { seed, episodes };
}

interface Deck {
  readonly size: number;
  deal(): FaultKind;
}

function createDeck(kinds: readonly FaultKind[], draw: Draw): Deck {
  const cards = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));
  let left: FaultKind[] = [];
  return {
    size: cards.length,
    deal() {
      if (left.length === 0) left = shuffled(cards, draw);
      const card = left.pop();
      if (card === undefined) throw new RangeError("there is no kind of fault");
      return card;
    },
  };
}

const shuffled = <T>(cards: readonly T[], draw: Draw): T[] =>
  cards.map((card) => [draw.next(), card] as const).sort(([a], [b]) => a - b).map(([, card]) => card);

function drawEpisode(draw: Draw, lengthMs: number, deck: Deck, everyMs: number | null): Episode {
  const strikingMs = lengthMs * STRIKING;
  const gapMs = everyMs ?? Math.min(GAP_MS.max, Math.max(GAP_MS.min, strikingMs / deck.size));
  const faults: PlannedFault[] = [];
  for (let atMs = gapMs / 2; atMs < strikingMs; atMs += gapMs * (0.6 + draw.next() * 0.8)) {
    faults.push(drawFault(draw, deck.deal(), Math.round(atMs), lengthMs));
  }
  // However short the episode: every kind comes.
  for (let missing = deck.size - faults.length; missing > 0; missing--) {
    faults.push(drawFault(draw, deck.deal(), Math.round(draw.next() * strikingMs), lengthMs));
  }
  return { lengthMs, faults: faults.sort((a, b) => a.atMs - b.atMs) };
}

function drawFault(draw: Draw, kind: FaultKind, atMs: number, lengthMs: number): PlannedFault {
  const [min, max] = kind.lastsMs;
  const longest = Math.max(min, Math.min(max, lengthMs / 4));
  const site = draw.pick(SITES);
  const other = draw.pick(SITES.filter((each) => each !== site));
  // Squared, so that short ones are more frequent.
  const lastsMs = Math.round(min + draw.next() ** 2 * (longest - min));
  return { kind: kind.name, atMs, site, other, lastsMs, choice: draw.next() };
}
