/** The one YAML of all gateways, as it should be, as faults change it, and broken in the ways in which people break it. */

export const SITES = ["site-a", "site-b", "site-c"] as const;
export type SiteName = (typeof SITES)[number];

/** The third one comes and goes with the YAML. Histories differ, because a history of 1 hides most from a tail. */
export const BUCKETS = [
  { name: "config", history: 1 },
  { name: "stock", history: 5 },
  { name: "visits", history: 1 },
] as const;
export type BucketName = (typeof BUCKETS)[number]["name"];
export const COMES_AND_GOES: BucketName = "visits";

/** Every gateway has its own way to every site: each finds its address in its environment. */
export const addressVariable = (site: string): string => `CHAOS_${site.toUpperCase().replaceAll("-", "_")}`;

export interface ConfigChange {
  readonly without?: BucketName;
  readonly paused?: BucketName;
  readonly limited?: { readonly bucket: BucketName; readonly opsPerSecond: number; readonly inFlight: number };
}

/** As seldom as it may be, since the logs bring everything: a round more often only hides what they lost. */
const RECONCILE_INTERVAL = "20s";

export function configText({ without, paused, limited }: ConfigChange = {}): string {
  const sites = SITES.map((site) => `  ${site}: { servers: ["\${${addressVariable(site)}}"] }`);
  const buckets = BUCKETS.filter(({ name }) => name !== without).map(({ name, history }) => {
    const settings = [`subject: rep.kv.ops.${name}`, `create: { history: ${history} }`];
    if (name === paused) settings.push("paused: true");
    if (name === limited?.bucket) settings.push(`limits: { opsPerSecond: ${limited.opsPerSecond}, inFlight: ${limited.inFlight} }`);
    return `  ${name}: { ${settings.join(", ")} }`;
  });
  return [
    "version: 1",
    "sites:",
    ...sites,
    `defaults: { reconcileInterval: ${RECONCILE_INTERVAL} }`,
    "buckets:",
    ...buckets,
    'http: { listen: "${KVGW_HTTP}" }',
    "",
  ].join("\n");
}

/** No gateway may take one of these. */
export const INVALID_EDITS: readonly (readonly [what: string, breakIt: (valid: string) => string])[] = [
  ["cut off in the middle", (valid) => valid.slice(0, valid.indexOf("buckets:") + 3)],
  ["indented with a tab", (valid) => valid.replace("\n  config:", "\n\tconfig:")],
  ["with a setting that does not exist", (valid) => valid.replace("version: 1", "version: 1\nverison: 2")],
  ["with a bucket twice", (valid) => valid.replace("\nhttp:", "\n  config: {}\nhttp:")],
  ["with a duration that is none", (valid) => valid.replace(RECONCILE_INTERVAL, "soon")],
  ["with a site name as a subject's token", (valid) => valid.replace("rep.kv.ops.config", "rep.kv.site-a.config")],
  ["with a variable that nobody set", (valid) => valid.replace(`\${${addressVariable("site-a")}}`, "${CHAOS_NOBODY}")],
  ["empty", () => ""],
];
