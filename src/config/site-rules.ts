/**
 * What a schema cannot say about sites: how each is reached, and that every way leads somewhere.
 */
import { checkCredentials } from "./credentials.js";
import type { ConfigPath, Finding } from "./path.js";
import type { ConfigFile, SiteSettings } from "./schema-types.js";
import { parseServerAddress } from "./server-address.js";
import { didYouMean, listNames } from "./suggest.js";

/** `log: local` would be ambiguous. */
const RESERVED_SITE = "local";

export function checkSites(file: ConfigFile): readonly Finding[] {
  return Object.entries(file.sites).flatMap(([name, site]) => {
    const path: ConfigPath = ["sites", name];
    return [
      ...checkName(name, path),
      ...checkWay(site, path),
      ...checkServers(site, path),
      ...checkVia(file, name, site, path),
      ...checkTls(site, path),
      ...checkCredentials(site, path, file.allowInlineSecrets ?? false),
    ];
  });
}

/** A name that should be one of the sites of the file. */
export function unknownSite(file: ConfigFile, name: string): string | null {
  if (Object.hasOwn(file.sites, name)) return null;
  const names = Object.keys(file.sites);
  const meant = didYouMean(name, names);
  return `no site is called ${JSON.stringify(name)}${meant === "" ? ";" : meant} sites: ${listNames(names)}`;
}

function checkName(name: string, path: ConfigPath): readonly Finding[] {
  if (name !== RESERVED_SITE) return [];
  return [{ path, atKey: true, message: "a site cannot be called local: `log: local` means each site's own" }];
}

function checkWay(site: SiteSettings, path: ConfigPath): readonly Finding[] {
  if (site.servers !== undefined || site.domain !== undefined) return [];
  const message =
    site.via === undefined
      ? 'nothing leads to this site: it needs `servers: ["nats://host:4222"]`, or `domain` (and `via`) behind another'
      : "`via` needs `domain` beside it: the JetStream domain of the site behind that connection";
  return [{ path, atKey: true, message }];
}

function checkServers(site: SiteSettings, path: ConfigPath): readonly Finding[] {
  return (site.servers ?? []).flatMap((text, index) => {
    const address = parseServerAddress(text);
    return address.ok ? [] : [{ path: [...path, "servers", index], message: `not a server address: ${address.error}` }];
  });
}

function checkVia(file: ConfigFile, name: string, site: SiteSettings, path: ConfigPath): readonly Finding[] {
  if (site.via === undefined) return [];
  const at = [...path, "via"];
  const unknown = unknownSite(file, site.via);
  if (unknown !== null) return [{ path: at, message: unknown }];
  const circle = circleOf(file, name);
  if (circle !== null) return [{ path: at, message: `this way leads in a circle: ${circle.join(" via ")}` }];
  if (site.domain !== undefined || site.servers === undefined) return [];
  return [
    { path: at, message: "`via` needs `domain` beside it: the JetStream domain of the site behind that connection" },
  ];
}

/** The way that comes back to its beginning; null if it ends, or runs into a circle that others report. */
function circleOf(file: ConfigFile, start: string): readonly string[] | null {
  const way = [start];
  for (let next = file.sites[start]?.via; next !== undefined; next = file.sites[next]?.via) {
    way.push(next);
    if (next === start) return way;
    if (way.indexOf(next) < way.length - 1) return null;
  }
  return null;
}

function checkTls(site: SiteSettings, path: ConfigPath): readonly Finding[] {
  const { certFile, keyFile } = site.tls ?? {};
  if ((certFile === undefined) === (keyFile === undefined)) return [];
  const [there, missing] = certFile === undefined ? ["keyFile", "certFile"] : ["certFile", "keyFile"];
  return [{ path: [...path, "tls", there], atKey: true, message: `${there} needs ${missing} beside it` }];
}
