/**
 * Questions to a peer over a thin link: the values that reconcile fetches wait for their turn in the link's budget. All
 * other questions are small and go at once.
 */
import { FETCH_TURN_MS } from "../core/limits.js";
import type { Operation } from "../core/operation.js";
import type { Clock, Questions } from "../core/ports.js";
import type { BudgetShare, Grant } from "./link-budget.js";

export function createSparedQuestions(questions: Questions, budget: BudgetShare, clock: Clock): Questions {
  return {
    ...questions,
    async fetch(key) {
      if (!budget.isLimited()) return questions.fetch(key);
      const grant = await turn(budget, clock);
      // As where the peer cannot say: the log may bring it meanwhile, and the next round asks again.
      if (grant === null) return null;
      try {
        const operation = await questions.fetch(key);
        grant.spend(bytesOf(operation) + key.length);
        return operation;
      } finally {
        grant.giveBack();
      }
    },
  };
}

/** Null if it does not come in time. */
function turn(budget: BudgetShare, clock: Clock): Promise<Grant | null> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(FETCH_TURN_MS, () => {
      takeBack();
      resolve(null);
    });
    const takeBack = budget.ask(true, (grant) => {
      cancel();
      resolve(grant);
    });
  });
}

const bytesOf = (operation: Operation | null): number => operation?.value.length ?? 0;
