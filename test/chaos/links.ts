/**
 * All ways between sites: a proxy from every gateway to every server, its own among them, and one from each site's
 * applications to their server. A site's gate shuts all ways to its server: a server that comes back is looked at first.
 */
import { BOTH_WAYS, type Proxy, type Weather, createProxy } from "./proxy.js";

export interface Link {
  readonly from: string;
  readonly to: string;
}

export interface Links {
  url(link: Link): string;
  /** The way of a site's applications to their server. */
  applicationUrl(site: string): string;
  setWeather(links: readonly Link[], weather: Partial<Weather>): void;
  clear(links: readonly Link[]): void;
  reset(link: Link): number;
  cutOneSide(link: Link, side: "client" | "server"): number;
  /** Ends what is connected, too. */
  shut(site: string): void;
  open(site: string): void;
  close(): Promise<void>;
}

export const linkName = ({ from, to }: Link): string => `${from} → ${to}`;
export const CUT: Partial<Weather> = { held: BOTH_WAYS };

/** Links from it to the others, and from the others to it. */
export const aroundSite = (site: string, sites: readonly string[]): readonly Link[] =>
  sites.filter((other) => other !== site).flatMap((other) => [{ from: site, to: other }, { from: other, to: site }]);

export const betweenSites = (sites: readonly string[]): readonly Link[] =>
  sites.flatMap((from) => sites.filter((to) => to !== from).map((to) => ({ from, to })));

export async function createLinks(ports: ReadonlyMap<string, number>): Promise<Links> {
  const sites = [...ports.keys()];
  const proxies = new Map<string, Proxy>();
  const applications = new Map<string, Proxy>();
  for (const [to, port] of ports) {
    applications.set(to, await createProxy(port));
    for (const from of sites) proxies.set(linkName({ from, to }), await createProxy(port));
  }
  const proxy = (link: Link) => known(proxies, linkName(link));
  const waysTo = (site: string) => [known(applications, site), ...sites.map((from) => proxy({ from, to: site }))];
  return {
    url: (link) => `nats://127.0.0.1:${proxy(link).port}`,
    applicationUrl: (site) => `nats://127.0.0.1:${known(applications, site).port}`,
    setWeather: (links, weather) => links.forEach((link) => proxy(link).setWeather(weather)),
    clear: (links) => links.forEach((link) => proxy(link).clear()),
    reset: (link) => proxy(link).reset(),
    cutOneSide: (link, side) => proxy(link).cutOneSide(side),
    shut: (site) =>
      waysTo(site).forEach((way) => {
        way.shut(true);
        way.reset();
      }),
    open: (site) => waysTo(site).forEach((way) => way.shut(false)),
    close: async () => void (await Promise.all([...proxies.values(), ...applications.values()].map((each) => each.close()))),
  };
}

function known(proxies: ReadonlyMap<string, Proxy>, name: string): Proxy {
  const found = proxies.get(name);
  if (found === undefined) throw new RangeError(`there is no way ${name}`);
  return found;
}
