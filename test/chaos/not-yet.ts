/**
 * What the product cannot do yet. A fault that needs one of these is never drawn; each line that goes switches it on.
 * `--with` tries one all the same.
 */
export const NOT_YET = {
  rejoin: "a store that was put back to an older copy is noticed, filled again, and brings no ghosts",
  marks: "a stream that was deleted and made again is noticed and filled again",
  lease: "two gateways of one site: one works, one waits",
} as const satisfies Readonly<Record<string, string>>;

export type Feature = "rejoin" | "marks" | "lease";

const tried = new Set<string>();

export const isBuilt = (feature: Feature | null): boolean => feature === null || !(feature in NOT_YET) || tried.has(feature);

export function tryFeatures(features: readonly string[]): void {
  const unknown = features.filter((feature) => !(feature in NOT_YET));
  if (unknown.length > 0) throw new RangeError(`no such feature: ${unknown.join(", ")}; there are ${Object.keys(NOT_YET).join(", ")}`);
  for (const feature of features) tried.add(feature);
}
