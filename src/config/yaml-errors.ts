/**
 * What the YAML library says, in words that help: the usual slip behind each of its error codes.
 */
import type { ErrorCode } from "yaml";

const NO_COLON = "the `:` after a name is missing here";

const EXPLANATIONS: Partial<Record<ErrorCode, string>> = {
  TAB_AS_INDENT: "a tab indents this line; YAML indents with spaces only",
  BAD_INDENT: "this line does not line up with its neighbours; settings of one section begin at the same column",
  BAD_ALIAS: 'a `*` that begins a value is an alias; put a wildcard in quotes: "*"',
  BLOCK_AS_IMPLICIT_KEY: "two `name: value` on one line; put a value that holds `: ` in quotes",
  MULTILINE_IMPLICIT_KEY: NO_COLON,
  BAD_DQ_ESCAPE: "unknown \\ escape in double quotes; single quotes take the text as it is",
  BAD_SCALAR_START: "a value cannot begin with this character; put it in quotes",
  NON_STRING_KEY: "the name of a setting is plain text, not a list, a map or an alias",
  KEY_OVER_1024_CHARS: "the name of a setting is longer than 1,024 characters",
};

export function explainYaml(code: ErrorCode, message: string): string {
  if (message.startsWith("Flow ")) return "a list or map that began with [ or { is not closed before this";
  if (message.startsWith("Implicit map key")) return NO_COLON;
  return EXPLANATIONS[code] ?? `not YAML: ${message}`;
}
