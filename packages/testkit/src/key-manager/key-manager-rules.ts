import type { KeyManagerRule } from "./key-manager-rule.ts";
import { LIST_RULES } from "./list-rules.ts";
import { SECRECY_RULES } from "./secrecy-rules.ts";
import { STORAGE_RULES } from "./storage-rules.ts";

/** In the order of their numbers. */
export const KEY_MANAGER_RULES: readonly KeyManagerRule[] = [
  ...STORAGE_RULES,
  ...LIST_RULES,
  ...SECRECY_RULES,
];
