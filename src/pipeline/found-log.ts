/** The own log as a start finds it: every operation that it keeps, and where the next one of each key has to follow. */
import type { Key, Sequence } from "../core/ids.js";
import type { LoggedOperation } from "../core/operation.js";
import type { OperationLog, StreamMark } from "../core/ports.js";

export interface FoundLog {
  readonly mark: StreamMark;
  /** Of each key where the log has its operation; the appender goes on with it. */
  readonly sequenceByKey: Map<Key, Sequence>;
}

/** KVGW_STREAM_CHANGED, KVGW_READER_LOST, KVGW_UNREACHABLE. */
export async function findLog(log: OperationLog, onOperation: (logged: LoggedOperation) => void): Promise<FoundLog> {
  const sequenceByKey = new Map<Key, Sequence>();
  const mark = await log.scan(1, (logged, inPlace) => {
    onOperation(logged);
    if (inPlace) sequenceByKey.set(logged.operation.key, logged.sequence);
  });
  return { mark, sequenceByKey };
}
