/**
 * What the product cannot do yet. A fault or a setting that needs one of these is never drawn; each line that goes
 * switches it on. Nothing else in the simulator says what is left out.
 */
export const NOT_YET = {
  unseenExpiry: "an entry that was written and expired while nobody looked is known to have been there",
} as const satisfies Readonly<Record<string, string>>;

export type Feature = keyof typeof NOT_YET | "nothing";

/** `--with`: features taken for built all the same, to try what is being built. */
const tried = new Set((process.env["KVGW_SIM_WITH"] ?? "").split(","));

export const isBuilt = (feature: Feature): boolean => !(feature in NOT_YET) || tried.has(feature);

export function tryFeatures(features: string): void {
  const unknown = features.split(",").filter((feature) => !(feature in NOT_YET));
  if (unknown.length > 0) throw new RangeError(`no such feature: ${unknown.join(", ")}; there are ${Object.keys(NOT_YET).join(", ")}`);
  process.env["KVGW_SIM_WITH"] = features;
  for (const feature of features.split(",")) tried.add(feature);
}
