/**
 * The log: JSON lines on stderr, one per event worth telling. Lines are written synchronously and in this thread, so
 * that the last words of a dying process are not lost. No line grows with what users or peers send: every text in it
 * is cut to a fixed length.
 */
import { pino } from "pino";
import { CONFIG_PROBLEMS_MAX } from "../core/limits.js";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";

export type LogField = string | number | boolean | null | readonly string[];

export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, LogField>>): void;
  /** Applies from the next line on. */
  setLevel(level: LogLevel): void;
}

export interface LoggerOptions {
  readonly site: string;
  readonly level: LogLevel;
  /** Where the lines go; stderr when left out. */
  readonly destination?: { write(line: string): void };
}

/** A field says what happened; whole keys, values or server answers of any size do not belong in a log. */
const TEXT_LENGTH_MAX = 256;
/** The longest list that a line carries is that of a config's problems. */
const LIST_LENGTH_MAX = CONFIG_PROBLEMS_MAX;
const STDERR = 2;

export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      level: options.level,
      base: { site: options.site },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    options.destination ?? pino.destination({ fd: STDERR, sync: true }),
  );
  return {
    log(level, message, fields = {}) {
      if (logger.isLevelEnabled(level)) logger[level](bounded(fields), cut(message));
    },
    setLevel(level) {
      logger.level = level;
    },
  };
}

function bounded(fields: Readonly<Record<string, LogField>>): Record<string, LogField> {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, boundedField(field)]));
}

function boundedField(field: LogField): LogField {
  if (typeof field === "string") return cut(field);
  if (typeof field === "object" && field !== null) return field.slice(0, LIST_LENGTH_MAX).map(cut);
  return field;
}

function cut(text: string): string {
  return text.length <= TEXT_LENGTH_MAX ? text : `${text.slice(0, TEXT_LENGTH_MAX - 1)}…`;
}
