// Writes what the program needs of schemas/gateway.schema.json, the source of truth of the config: its types and the
// schema itself as a constant (so that dist/ needs no JSON file beside it). `--check` writes nothing and fails on drift.
import { readFileSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const SCHEMA = "schemas/gateway.schema.json";
const HEADER = `// generated from ${SCHEMA} by scripts/schema-types.mjs: do not edit; change the schema, then \`npm run schema\`\n`;
const root = new URL("../", import.meta.url);

const schema = JSON.parse(readFileSync(new URL(SCHEMA, root), "utf8"));
const generated = {
  "src/config/schema-types.ts": HEADER + (await typesOf(schema)),
  "src/config/schema.ts": `${HEADER}export const gatewaySchema = ${JSON.stringify(schema, null, 2)} as const;\n`,
};

const drifted = Object.entries(generated).filter(([path, text]) => text !== current(path));
if (!process.argv.includes("--check")) {
  for (const [path, text] of drifted) writeFileSync(new URL(path, root), text);
  console.log(drifted.length === 0 ? "schema: nothing to write" : `schema: wrote ${names(drifted)}`);
} else if (drifted.length > 0) {
  console.error(`schema: ${names(drifted)} does not match ${SCHEMA}; run \`npm run schema\` and commit the result`);
  process.exitCode = 1;
}

function typesOf(schema) {
  return compile(structuredClone(schema), "ConfigFile", {
    bannerComment: "",
    additionalProperties: false,
    ignoreMinAndMaxItems: true,
    unknownAny: true,
    style: { printWidth: 120 },
  });
}

function current(path) {
  try {
    return readFileSync(new URL(path, root), "utf8");
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
}

function names(entries) {
  return entries.map(([path]) => path).join(", ");
}
