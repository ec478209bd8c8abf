import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseBucketName, parseSiteId } from "../../src/core/ids.js";
import { gatewaySchema } from "../../src/config/schema.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SCHEMA = "schemas/gateway.schema.json";

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
ajv.addVocabulary(["errorMessage"]);
ajv.addSchema(gatewaySchema, "gateway");

/** Every part of the schema that is a schema with something to say, with its JSON pointer. */
function partsOf(value: unknown, pointer = ""): [string, Schema][] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([key, part]) =>
    ["default", "examples", "enum", "const"].includes(key) ? [] : partsOf(part, `${pointer}/${key}`),
  );
  return [[pointer, value], ...inside];
}

const parts = partsOf(gatewaySchema);
const resolved = (schema: Schema): Schema => {
  const name = schema.$ref?.replace("#/$defs/", "");
  return name === undefined ? schema : ((gatewaySchema.$defs as Readonly<Record<string, Schema>>)[name] ?? schema);
};

describe("the schema", () => {
  it("is a valid schema of its draft", () => {
    expect(gatewaySchema.$schema).toBe("https://json-schema.org/draft/2020-12/schema");
    expect(ajv.validateSchema(gatewaySchema)).toBe(true);
  });

  it("refuses unknown keys in every object", () => {
    const objects = parts.filter(([, { type }]) => [type].flat().includes("object"));
    expect(objects.length).toBeGreaterThan(12);
    expect(
      objects.filter(
        ([, { additionalProperties }]) => additionalProperties === undefined || additionalProperties === true,
      ),
    ).toEqual([]);
    const withoutMaps = objects.filter(([, { properties }]) => properties !== undefined);
    expect(withoutMaps.filter(([, { additionalProperties }]) => additionalProperties !== false)).toEqual([]);
  });

  it("describes every setting in a sentence", () => {
    const settings = parts.flatMap(([pointer, { properties = {} }]) =>
      Object.entries(properties).map(([name, schema]) => ({ at: `${pointer}/${name}`, schema })),
    );
    expect(settings.length).toBeGreaterThan(60);
    const silent = settings.filter(
      ({ schema }) => !/^[A-Z`].*\.$/.test(schema.description ?? resolved(schema).description ?? ""),
    );
    expect(silent.map(({ at }) => at)).toEqual([]);
  });

  it("has defaults and examples that it accepts itself", () => {
    const checked = parts.flatMap(([pointer, schema]) => {
      const samples = [
        ...("default" in schema ? [schema.default] : []),
        ...(Array.isArray(schema.examples) ? schema.examples : []),
      ];
      const validate = samples.length === 0 ? undefined : ajv.getSchema(`gateway#${pointer.replaceAll("$", "%24")}`);
      return samples.map((sample) => ({ pointer, sample: sample as unknown, valid: validate?.(sample) }));
    });
    expect(checked.length).toBeGreaterThan(40);
    expect(checked.filter(({ valid }) => valid !== true)).toEqual([]);
  });

  it("lets every bucket setting but the subject stand in defaults", () => {
    const { subject, ...rest } = gatewaySchema.$defs.bucketSettings.properties;
    expect(subject.type).toBe("string");
    expect(gatewaySchema.$defs.bucketDefaults.properties).toEqual(rest);
  });

  it("lets the ways to log in stand in the site as in credentials", () => {
    expect(gatewaySchema.$defs.siteSettings.properties).toMatchObject(gatewaySchema.$defs.credentials.properties);
  });

  it("allows the names that the program allows", () => {
    const names = fc.oneof(
      fc.string(),
      fc.stringMatching(/^[A-Za-z0-9_.-]{0,40}$/),
      fc.stringMatching(/^[a-z0-9-]{0,40}$/),
    );
    const isSite = ajv.getSchema("gateway#/%24defs/siteName");
    const isBucket = ajv.getSchema("gateway#/%24defs/bucketName");
    fc.assert(
      fc.property(names, (name) => {
        expect(isSite?.(name)).toBe(parseSiteId(name).ok);
        expect(isBucket?.(name)).toBe(parseBucketName(name).ok);
      }),
    );
  });
});

describe("what is generated from the schema", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "kvgw-schema-"));
    await cp(join(ROOT, "scripts/schema-types.mjs"), join(folder, "scripts/schema-types.mjs"));
    await cp(join(ROOT, SCHEMA), join(folder, SCHEMA));
    await mkdir(join(folder, "src/config"), { recursive: true });
    for (const file of ["schema.ts", "schema-types.ts"])
      await cp(join(ROOT, "src/config", file), join(folder, "src/config", file));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  function generate(...args: string[]): Promise<{ readonly code: number; readonly text: string }> {
    return new Promise((resolve) => {
      execFile(process.execPath, [join(folder, "scripts/schema-types.mjs"), ...args], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr });
      });
    });
  }

  it("is what the project holds", async () => {
    expect(await generate("--check")).toEqual({ code: 0, text: "" });
  });

  it("is missed when the schema moves on, and follows it when asked", async () => {
    const schema = await readFile(join(folder, SCHEMA), "utf8");
    await writeFile(
      join(folder, SCHEMA),
      schema.replace('"default": 1024', '"default": 2048').replace('"file", "memory"', '"file", "tape"'),
    );
    const missed = await generate("--check");
    expect(missed.code).toBe(1);
    expect(missed.text).toContain("src/config/schema-types.ts, src/config/schema.ts does not match");
    expect(missed.text).toContain("npm run schema");
    expect((await generate()).code).toBe(0);
    expect(await readFile(join(folder, "src/config/schema-types.ts"), "utf8")).toContain('"tape"');
    expect(await generate("--check")).toEqual({ code: 0, text: "" });
  });
});
