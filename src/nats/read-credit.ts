/**
 * How much a reader of a peer's log may ask for right now: its bucket's part of the link's budget and windows. Under a
 * budget one request is on its way at a time, of as many bytes as one grant has. A message that is larger than that is
 * asked for alone and whole, and the link's account goes into debt for it.
 */
import type { BudgetShare, Grant } from "./link-budget.js";
import type { WindowShare } from "./link-windows.js";

export interface LinkShare {
  readonly budget: BudgetShare;
  readonly windows: WindowShare;
}

export interface ReadCredit {
  /** Messages that may be asked for and not settled. */
  window(full: number, pending: number): number;
  /** Bytes for the next request; 0 where it has to wait, for `onTurn` or for the end of the one that is on its way. */
  bytes(most: number, requested: number, pending: number): number;
  /** Messages for the next request. */
  messages(room: number): number;
  asked(full: number, pending: number): void;
  received(bytes: number, pending: number): void;
  /** Nothing that was requested is on its way. */
  rests(): void;
  /** A request ended on a message that did not fit; whether another one may have it. */
  widen(): boolean;
  /** Others go first. */
  isHeldBack(): boolean;
  /** The reader is over. */
  end(): void;
}

/** @param onTurn a request that had to wait may be made */
export function createReadCredit({ budget, windows }: LinkShare, onTurn: () => void): ReadCredit {
  let grant: Grant | null = null;
  let isUsed = false;
  let isWhole = false;
  let takeBack: (() => void) | null = null;

  function endGrant(): void {
    const ended = grant;
    grant = null;
    isUsed = false;
    ended?.giveBack();
  }

  function ask(isBehind: boolean): void {
    if (takeBack !== null) return;
    let asking = true;
    const cancel = budget.ask(isBehind, (given) => {
      grant = given;
      takeBack = null;
      if (!asking) onTurn();
    });
    asking = false;
    if (grant === null) takeBack = cancel;
  }

  function end(): void {
    takeBack?.();
    takeBack = null;
    endGrant();
  }

  return {
    window: (full, pending) => windows.of(full, pending),
    asked: (full, pending) => windows.asked(full, pending),
    rests: () => windows.rests(),
    bytes(most, requested, pending) {
      if (!budget.isLimited()) {
        if (grant !== null || takeBack !== null) end();
        return most;
      }
      if (requested > 0) return 0;
      if (isUsed) endGrant();
      if (grant === null) ask(pending > 0);
      const granted = grant as Grant | null;
      if (granted === null) return 0;
      isUsed = true;
      return isWhole ? most : Math.min(most, granted.bytes);
    },
    messages: (room) => (isWhole && budget.isLimited() ? 1 : room),
    received(bytes, pending) {
      if (grant === null) return;
      isWhole = false;
      grant.spend(bytes);
      if (pending === 0) grant.giveBack();
    },
    widen() {
      if (grant === null || isWhole) return false;
      isWhole = true;
      return true;
    },
    isHeldBack: () => takeBack !== null,
    end() {
      end();
      windows.leave();
    },
  };
}
