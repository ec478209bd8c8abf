/**
 * What the own log says of its keys, while a run begins: packed, since it is all there at once. It names values without their
 * bytes.
 */
import { createColumn } from "./column.js";
import type { Key } from "./ids.js";
import { type KeyTable, NO_PLACE, OWNER, type Place } from "./key-table.js";
import { createKnownTable } from "./known-table.js";
import { type EntryIdentity, type LoggedOperation, NO_BYTES, type Operation } from "./operation.js";

export interface LoggedTable {
  add(logged: LoggedOperation): void;
  /** The operation of the key and the message of this bucket that it was captured from; undefined where it came from another
   *  life of the bucket, or nobody says from where. */
  captured(key: Key): { readonly operation: Operation; readonly identity: EntryIdentity } | undefined;
  /** The operation of the key where it is a value. */
  value(key: Key): Operation | undefined;
  values(): Iterable<Operation>;
  /** Something newer than its value is known. */
  dropValue(key: Key): void;
  /** All of it. */
  clear(): void;
}

/** @param bucketCreated which life of the bucket this is */
export function createLoggedTable(keys: KeyTable, bucketCreated: string | null): LoggedTable {
  let columns = createColumns();
  const operations = createKnownTable(keys, OWNER.start);

  const placeOf = (key: Key): Place => {
    const place = keys.find(key);
    return place !== NO_PLACE && keys.isClaimed(place, OWNER.start) ? place : NO_PLACE;
  };

  function read(key: Key, place: Place): Operation | undefined {
    const known = operations.get(key);
    if (known === undefined) return undefined;
    const { version, base, kind } = known;
    return { kind, key, value: NO_BYTES, version, base, expiresUs: columns.expires.at(place) || null };
  }

  return {
    add({ operation, identity }) {
      const { key, kind, version, base, expiresUs } = operation;
      const isHere = identity !== null && identity.bucketCreated === bucketCreated;
      operations.set(key, { version, base, kind, revision: isHere ? identity.revision : 0 });
      const place = keys.find(key);
      columns.expires.set(place, expiresUs ?? 0);
      columns.isDropped.set(place, 0);
      columns.isHere.set(place, Number(isHere));
      if (!isHere) return;
      columns.seconds.set(place, Number(identity.timestampNs.slice(0, -9)));
      columns.nanos.set(place, Number(identity.timestampNs.slice(-9)));
    },
    captured(key) {
      const place = placeOf(key);
      const operation = place === NO_PLACE || columns.isHere.at(place) === 0 ? undefined : read(key, place);
      if (operation === undefined || bucketCreated === null) return undefined;
      const [seconds, nanos] = [columns.seconds.at(place), columns.nanos.at(place)];
      const timestampNs = seconds === 0 ? `${nanos}` : `${seconds}${String(nanos).padStart(9, "0")}`;
      return { operation, identity: { bucketCreated, revision: operations.get(key)?.revision ?? 0, timestampNs } };
    },
    value(key) {
      const place = placeOf(key);
      const operation = place === NO_PLACE || columns.isDropped.at(place) === 1 ? undefined : read(key, place);
      return operation?.kind === "put" ? operation : undefined;
    },
    *values() {
      for (const place of keys.claimed(OWNER.start)) {
        const operation = columns.isDropped.at(place) === 1 ? undefined : read(keys.keyAt(place), place);
        if (operation?.kind === "put") yield operation;
      }
    },
    dropValue(key) {
      const place = placeOf(key);
      if (place !== NO_PLACE) columns.isDropped.set(place, 1);
    },
    clear() {
      for (const place of [...keys.claimed(OWNER.start)]) operations.delete(keys.keyAt(place));
      columns = createColumns();
    },
  };
}

const createColumns = () => ({
  expires: createColumn(Float64Array),
  // The server's time of the message, in two parts: nanoseconds since the epoch are too many for a number.
  seconds: createColumn(Float64Array),
  nanos: createColumn(Int32Array),
  isHere: createColumn(Uint8Array),
  isDropped: createColumn(Uint8Array),
});
