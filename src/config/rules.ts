/**
 * What a JSON Schema cannot say: names that must exist, things that must not overlap, and who this process is. Rules
 * look at a file whose shape is right, and return findings; they change nothing and know no lines.
 */
import { checkBuckets } from "./bucket-rules.js";
import type { Finding } from "./path.js";
import type { ConfigFile } from "./schema-types.js";
import { parseListen } from "./listen-address.js";
import { HTTP_LISTEN_DEFAULT, effectiveSettings } from "./settings.js";
import { checkSites, unknownSite } from "./site-rules.js";
import { listNames } from "./suggest.js";

/** Who says which site this process is. */
export interface SiteChoice {
  readonly site: string | null;
  readonly saidBy: "--site" | "KVGW_SITE" | "site";
}

export function chooseSite(file: ConfigFile, option: string | undefined, fromEnv: string | undefined): SiteChoice {
  if (option !== undefined) return { site: option, saidBy: "--site" };
  if (fromEnv !== undefined && fromEnv !== "") return { site: fromEnv, saidBy: "KVGW_SITE" };
  return { site: file.site ?? null, saidBy: "site" };
}

export function checkRules(file: ConfigFile, choice: SiteChoice): readonly Finding[] {
  return [
    ...checkChoice(file, choice),
    ...checkSites(file),
    ...checkOwnSite(file, choice),
    ...checkBuckets(file),
    ...checkHttp(file),
  ];
}

function checkChoice(file: ConfigFile, { site, saidBy }: SiteChoice): readonly Finding[] {
  const path = ["site"];
  if (site === null) {
    const names = listNames(Object.keys(file.sites));
    return [
      { path, message: `which site is this? say \`site: NAME\` here, --site NAME or KVGW_SITE=NAME; sites: ${names}` },
    ];
  }
  const unknown = unknownSite(file, site);
  const inFile = unknownSite(file, file.site ?? site);
  return [
    ...(unknown === null ? [] : [{ path, message: saidBy === "site" ? unknown : `${saidBy}: ${unknown}` }]),
    ...(saidBy === "site" || inFile === null || inFile === unknown ? [] : [{ path, message: inFile }]),
  ];
}

/** A gateway writes at its own site, so it must know the way there itself. */
function checkOwnSite(file: ConfigFile, { site }: SiteChoice): readonly Finding[] {
  if (site === null || !Object.hasOwn(file.sites, site) || file.sites[site]?.servers !== undefined) return [];
  const bucket = Object.keys(file.buckets).find((name) => effectiveSettings(file, name).sites.has(site));
  if (bucket === undefined) return [];
  const message = `this process is ${site} and replicates bucket ${bucket}, so it needs the \`servers\` of its own NATS`;
  return [{ path: ["sites", site], atKey: true, message }];
}

function checkHttp(file: ConfigFile): readonly Finding[] {
  const address = parseListen(file.http?.listen ?? HTTP_LISTEN_DEFAULT);
  return address.ok ? [] : [{ path: ["http", "listen"], message: address.error }];
}
