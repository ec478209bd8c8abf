/**
 * How much a reader of a peer's log may ask for right now: its bucket's part of the link's budget and windows. Under a
 * budget one request is on its way at a time. While more waits at the peer the reader stands in line meanwhile, and what it
 * is granted makes the next request: else whoever has nothing on its way would be the only one in line, and have turns that
 * are not his. A message that is larger than a grant is asked for alone and whole, and the link's account goes into debt
 * for it.
 */
import { LINK_GRANTS_HELD_MAX } from "../core/limits.js";
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
  // Of the request that is on its way, in the order in which they are spent, and for the one after.
  let current: Grant[] = [];
  let held: Grant[] = [];
  // Of the first of the current ones.
  let left = 0;
  let isWhole = false;
  let isAsking = false;
  let takeBack: (() => void) | null = null;

  function standInLine(isBehind: boolean): void {
    if (takeBack !== null || held.length >= (isBehind ? LINK_GRANTS_HELD_MAX : 1)) return;
    const [before, wasAsking] = [held.length, isAsking];
    isAsking = true;
    const cancel = budget.ask(isBehind, (grant) => {
      held.push(grant);
      takeBack = null;
      if (isAsking) return;
      if (current.length === 0) onTurn();
      else standInLine(isBehind);
    });
    isAsking = wasAsking;
    if (held.length === before) takeBack = cancel;
  }

  function leaveLine(): void {
    takeBack?.();
    takeBack = null;
    giveBack(held.splice(0));
  }

  function takeHeld(): void {
    current = held;
    held = [];
    left = current[0]?.bytes ?? 0;
  }

  /** What is given back goes to whoever stands in line, so that comes last. */
  function takeTurn(isBehind: boolean): void {
    const ended = current;
    isAsking = true;
    if (held.length === 0) standInLine(isBehind);
    takeHeld();
    if (current.length > 0 && isBehind) standInLine(true);
    giveBack(ended);
    isAsking = false;
    if (current.length === 0) takeHeld();
  }

  function spend(bytes: number): void {
    for (let [first, second] = current; first !== undefined && second !== undefined && bytes > left; [first, second] = current) {
      first.spend(left);
      bytes -= left;
      left = second.bytes;
      current.shift();
    }
    current[0]?.spend(bytes);
    left -= bytes;
  }

  return {
    window: (full, pending) => windows.of(full, pending),
    asked: (full, pending) => windows.asked(full, pending),
    rests: () => windows.rests(),
    bytes(most, requested, pending) {
      if (!budget.isLimited()) {
        leaveLine();
        giveBack(current.splice(0));
        return most;
      }
      if (requested > 0) return 0;
      takeTurn(pending > 0);
      const granted = current.reduce((sum, { bytes }) => sum + bytes, 0);
      return granted > 0 && isWhole ? most : Math.min(most, granted);
    },
    messages: (room) => (isWhole && budget.isLimited() ? 1 : room),
    received(bytes, pending) {
      if (current.length === 0) return;
      isWhole = false;
      spend(bytes);
      if (pending > 0) return standInLine(true);
      leaveLine();
      giveBack(current);
    },
    widen() {
      if (current.length === 0 || isWhole) return false;
      isWhole = true;
      return true;
    },
    isHeldBack: () => takeBack !== null && current.length === 0,
    end() {
      leaveLine();
      giveBack(current.splice(0));
      windows.leave();
    },
  };
}

function giveBack(grants: readonly Grant[]): void {
  for (const grant of grants) grant.giveBack();
}
