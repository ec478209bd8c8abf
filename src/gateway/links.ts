/**
 * What the buckets of this gateway share of each link to a peer: its budget of bytes, and who goes first. A link is named
 * by the site where data is read, so all logs at a hub are one. Limits and priorities are those of the config in force,
 * and a change needs no restart of anything.
 */
import type { BucketConfig, GatewayConfig } from "../config/config.js";
import type { SiteId } from "../core/ids.js";
import { FETCH_PRIORITY_STEPS } from "../core/limits.js";
import type { Clock } from "../core/ports.js";
import { type BudgetShare, type LinkBudget, createLinkBudget } from "../nats/link-budget.js";
import { type LinkWindows, createLinkWindows } from "../nats/link-windows.js";
import type { LinkShare } from "../nats/read-credit.js";

export interface Links {
  /** The config that is about to be in force. */
  follow(config: GatewayConfig): void;
  /** The bucket's part of what may be asked of the site. */
  join(bucket: BucketConfig, site: SiteId): BucketLink;
}

export interface BucketLink {
  readonly reading: LinkShare;
  readonly fetching: BudgetShare;
}

interface Link {
  readonly budget: LinkBudget;
  readonly windows: LinkWindows;
}

export function createLinks(clock: Clock): Links {
  const linkBySite = new Map<SiteId, Link>();
  let config: GatewayConfig | null = null;

  /** A hub that is this site itself is at hand. */
  const limitOf = (site: SiteId) => (site === config?.site ? 0 : (config?.sites.get(site)?.bytesPerSecond ?? 0));

  function linkTo(site: SiteId): Link {
    const link = linkBySite.get(site) ?? {
      budget: createLinkBudget(clock, () => limitOf(site)),
      windows: createLinkWindows(clock),
    };
    linkBySite.set(site, link);
    return link;
  }

  return {
    follow(next) {
      config = next;
      for (const [site, { budget }] of linkBySite) {
        budget.changed();
        // Whoever still reads there is about to end.
        if (!next.sites.has(site)) linkBySite.delete(site);
      }
    },
    join({ name, priority: initial }, site) {
      const { budget, windows } = linkTo(site);
      const priority = () => config?.buckets.get(name)?.priority ?? initial;
      return {
        reading: { budget: budget.join(priority), windows: windows.join(priority) },
        fetching: budget.join(() => priority() - FETCH_PRIORITY_STEPS),
      };
    },
  };
}
