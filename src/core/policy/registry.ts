/** The one list of policies: the name in the config, and the rule. */
import { lww } from "./lww.js";
import type { ConflictPolicy } from "./policy.js";

export const POLICIES = { lww } as const satisfies Record<string, ConflictPolicy>;

export type PolicyName = keyof typeof POLICIES;
