/** Where the own log has the operation of each key: 8 bytes a key beside the key itself, which others know as well. */
import { createColumn } from "./column.js";
import type { Key, Sequence } from "./ids.js";
import { type KeyTable, NO_PLACE, OWNER } from "./key-table.js";

export interface SequenceTable {
  /** Undefined where the log has none. */
  get(key: Key): Sequence | undefined;
  set(key: Key, sequence: Sequence): void;
  delete(key: Key): void;
}

export function createSequenceTable(keys: KeyTable): SequenceTable {
  const sequences = createColumn(Float64Array);
  return {
    get(key) {
      const place = keys.find(key, OWNER.log);
      return place === NO_PLACE ? undefined : sequences.at(place);
    },
    set: (key, sequence) => sequences.set(keys.claim(key, OWNER.log), sequence),
    delete(key) {
      const place = keys.find(key, OWNER.log);
      if (place !== NO_PLACE) keys.release(place, OWNER.log);
    },
  };
}
