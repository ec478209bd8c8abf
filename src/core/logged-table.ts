/**
 * What the own log says of its keys, while a run begins: packed, since it is all there at once. It names values without their
 * bytes.
 */
import { createColumn } from "./column.js";
import type { Key } from "./ids.js";
import { type KeyTable, NO_PLACE, OWNER, type Place } from "./key-table.js";
import { type Known, createKnownTable } from "./known-table.js";
import { type EntryIdentity, type LoggedOperation, NO_BYTES, type Operation } from "./operation.js";

export interface LoggedTable {
  add(logged: LoggedOperation): void;
  /** The operation of the key and the message of this bucket that it was captured from; undefined where it came from another
   *  life of the bucket, or nobody says from where. */
  captured(key: Key): { readonly operation: Operation; readonly identity: EntryIdentity } | undefined;
  /** The operation of the key where it is a value. */
  value(key: Key): Operation | undefined;
  /** The values of the log, but for those that are told to be there: nothing is made of these, and they may be millions. */
  values(isThere: (place: Place) => boolean): Iterable<Operation>;
  /** Something newer than its value is known. */
  dropValue(key: Key): void;
  /** All of it. */
  clear(): void;
}

/** @param bucketCreated which life of the bucket this is */
export function createLoggedTable(keys: KeyTable, bucketCreated: string | null): LoggedTable {
  let columns = createColumns();
  let operations = createKnownTable(keys, OWNER.start);

  const placeOf = (key: Key): Place => keys.find(key, OWNER.start);

  function operationOf(key: Key, { version, base, kind }: Known): Operation {
    return { kind, key, value: NO_BYTES, version, base, expiresUs: columns.expires.at(placeOf(key)) || null };
  }

  function valueOf(key: Key): Operation | undefined {
    const known = operations.get(key);
    return known?.kind === "put" && columns.isDropped.at(placeOf(key)) === 0 ? operationOf(key, known) : undefined;
  }

  return {
    add({ operation, identity }) {
      const { key, kind, version, base, expiresUs } = operation;
      const here = identity?.bucketCreated === bucketCreated ? identity : null;
      operations.set(key, { version, base, kind, revision: here?.revision ?? ELSEWHERE });
      const place = placeOf(key);
      columns.expires.set(place, expiresUs ?? 0);
      columns.isDropped.set(place, 0);
      if (here === null) return;
      columns.seconds.set(place, Number(here.timestampNs.slice(0, -9)));
      columns.nanos.set(place, Number(here.timestampNs.slice(-9)));
    },
    captured(key) {
      const known = operations.get(key);
      if (known === undefined || known.revision === ELSEWHERE || bucketCreated === null) return undefined;
      const place = placeOf(key);
      const [seconds, nanos] = [columns.seconds.at(place), columns.nanos.at(place)];
      const timestampNs = seconds === 0 ? `${nanos}` : `${seconds}${String(nanos).padStart(9, "0")}`;
      return { operation: operationOf(key, known), identity: { bucketCreated, revision: known.revision, timestampNs } };
    },
    value: valueOf,
    *values(isThere) {
      for (const place of keys.claimed(OWNER.start)) {
        if (isThere(place)) continue;
        const value = valueOf(keys.keyAt(place));
        if (value !== undefined) yield value;
      }
    },
    dropValue(key) {
      const place = placeOf(key);
      if (place !== NO_PLACE) columns.isDropped.set(place, 1);
    },
    clear() {
      for (const place of keys.claimed(OWNER.start)) keys.release(place, OWNER.start);
      // What they took is given back.
      operations = createKnownTable(keys, OWNER.start);
      columns = createColumns();
    },
  };
}

/** In place of a revision: it was captured in another life of the bucket, or nobody says where. */
const ELSEWHERE = 0;

const createColumns = () => ({
  expires: createColumn(Float64Array),
  // The server's time of the message, in two parts: nanoseconds since the epoch are too many for a number.
  seconds: createColumn(Float64Array),
  nanos: createColumn(Int32Array),
  isDropped: createColumn(Uint8Array),
});
