/**
 * One number per place, packed: a few bytes where an object would take a hundred. The first part grows by doubling, so that
 * few places take little; from then on parts of one size are added, and nothing is copied any more.
 */

type Kind = Float64ArrayConstructor | Int32ArrayConstructor | Uint16ArrayConstructor | Uint8ArrayConstructor;

export interface Column {
  /** What was set there last, 0 where nothing was. */
  at(place: number): number;
  set(place: number, value: number): void;
}

const PART_BITS = 14;
const PART_PLACES = 1 << PART_BITS;
const FIRST_PLACES = 16;

/** @param Kind what a value has to fit into */
export function createColumn(Kind: Kind): Column {
  const parts: InstanceType<Kind>[] = [];

  function grow(index: number, place: number): InstanceType<Kind> {
    const before = parts[index];
    let places = index === 0 ? Math.max(FIRST_PLACES, before?.length ?? 0) : PART_PLACES;
    while (places <= place) places *= 2;
    const part = new Kind(places);
    if (before !== undefined) part.set(before);
    parts[index] = part;
    return part;
  }

  return {
    at: (place) => parts[place >>> PART_BITS]?.[place & (PART_PLACES - 1)] ?? 0,
    set(place, value) {
      const [index, offset] = [place >>> PART_BITS, place & (PART_PLACES - 1)];
      let part = parts[index];
      if (part === undefined || offset >= part.length) {
        // Nothing stands there as it is.
        if (value === 0) return;
        part = grow(index, offset);
      }
      part[offset] = value;
    },
  };
}
