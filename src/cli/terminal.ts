/**
 * How commands speak to people and to scripts: tables and colour on a terminal, none when piped, one JSON document with
 * `--json`. Results go to stdout, everything else to stderr.
 */
import Table from "cli-table3";
import pico from "picocolors";

export interface Terminal {
  readonly colour: ReturnType<typeof pico.createColors>;
  /** Whether a person is looking at stdout. */
  readonly interactive: boolean;
  print(text: string): void;
  printJson(document: unknown): void;
  complain(text: string): void;
  /** Progress of long work: one line on stderr, only while a person looks. */
  progress(text: string): void;
}

export function createTerminal(): Terminal {
  // Not `false` but absent when piped, whatever the types say.
  const interactive = Boolean(process.stdout.isTTY);
  const colour = pico.createColors(interactive && pico.isColorSupported);
  return {
    colour,
    interactive,
    print: (text) => void process.stdout.write(`${text}\n`),
    printJson: (document) => void process.stdout.write(`${JSON.stringify(document, null, 2)}\n`),
    complain: (text) => void process.stderr.write(`${text}\n`),
    progress: (text) => void (process.stderr.isTTY && process.stderr.write(`\r\u001b[2K${text}`)),
  };
}

const LINES = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "", "bottom-left": "" };
const NO_LINES = { ...LINES, "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "", right: "", "right-mid": "", middle: "  " };

/** Columns under a head, no lines: easy on the eye and on `awk`. */
export function table(terminal: Terminal, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: head.map((title) => terminal.colour.dim(title)),
    chars: NO_LINES,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 1 },
  });
  made.push(...rows.map((row) => [...row]));
  return made.toString();
}
