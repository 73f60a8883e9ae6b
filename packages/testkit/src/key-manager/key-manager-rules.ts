import { ANSWER_RULES } from "./answer-rules.ts";
import { CALLER_RULES } from "./caller-rules.ts";
import type { KeyManagerRule } from "./key-manager-rule.ts";
import { LIST_RULES } from "./list-rules.ts";
import { OUTAGE_RULES } from "./outage-rules.ts";
import { SECRECY_RULES } from "./secrecy-rules.ts";
import { STORAGE_RULES } from "./storage-rules.ts";

/** In the order of their numbers. */
export const KEY_MANAGER_RULES: readonly KeyManagerRule[] = [
  ...STORAGE_RULES,
  ...LIST_RULES,
  ...SECRECY_RULES,
  ...CALLER_RULES,
  ...OUTAGE_RULES,
  ...ANSWER_RULES,
];
