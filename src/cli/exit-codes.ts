/** What the process says with its exit code; fixed, because scripts rely on it. */
import type { ErrorCode } from "../core/errors.js";

export const EXIT = {
  fine: 0,
  failed: 1,
  /** `verify` found differences, `plan` found changes. */
  different: 2,
  usage: 64,
  unreachable: 69,
  configInvalid: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  KVGW_CONFIG_INVALID: EXIT.configInvalid,
  KVGW_CONFIG_UNREADABLE: EXIT.configInvalid,
  KVGW_USAGE: EXIT.usage,
  KVGW_UNREACHABLE: EXIT.unreachable,
  KVGW_TIMEOUT: EXIT.unreachable,
};

export const exitCodeOf = (code: ErrorCode): ExitCode => BY_ERROR[code] ?? EXIT.failed;
