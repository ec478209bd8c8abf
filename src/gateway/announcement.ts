/** Makes a gateway known to the others of its site, and finds out whether their questions reach it. */
import type { Presence } from "../core/ports.js";

export interface Announcement {
  /** From now on questions are answered; whether they reach us is asked of ourselves, once per connection. */
  reaches(presence: Presence): Promise<boolean>;
  end(): void;
}

/** @param onAsked called for every question of somebody else */
export function createAnnouncement(id: string, onAsked: () => void): Announcement {
  let announced: { readonly presence: Presence; reaches: boolean; end(): void } | null = null;
  let asking = false;
  const onQuestion = () => {
    if (!asking) onAsked();
  };

  return {
    async reaches(presence) {
      if (announced?.presence !== presence) {
        announced?.end();
        announced = { presence, reaches: false, end: presence.announce(id, onQuestion) };
      }
      const now = announced;
      if (now.reaches) return true;
      asking = true;
      now.reaches = await presence.isHere(id).catch(() => false);
      asking = false;
      return now.reaches;
    },
    end: () => announced?.end(),
  };
}
