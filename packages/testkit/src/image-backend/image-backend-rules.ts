import { CLONE_RULES } from "./clone-rules.ts";
import { CREATION_RULES } from "./creation-rules.ts";
import { FAULT_RULES } from "./fault-rules.ts";
import { HONESTY_RULES } from "./honesty-rules.ts";
import type { ImageBackendRule } from "./image-backend-rule.ts";
import { LIST_RULES } from "./list-rules.ts";
import { LIFE_RULES } from "./life-rules.ts";
import { KEY_RULES } from "./key-rules.ts";
import { OVERLAY_RULES } from "./overlay-rules.ts";
import { PLACE_RULES } from "./place-rules.ts";
import { REFUSAL_RULES } from "./refusal-rules.ts";
import { SECRECY_RULES } from "./secrecy-rules.ts";
import { SNAPSHOT_RULES } from "./snapshot-rules.ts";

/** In the order of their numbers. */
export const IMAGE_BACKEND_RULES: readonly ImageBackendRule[] = [
  ...CREATION_RULES,
  ...REFUSAL_RULES,
  ...LIFE_RULES,
  ...SNAPSHOT_RULES,
  ...SECRECY_RULES,
  ...KEY_RULES,
  ...OVERLAY_RULES,
  ...PLACE_RULES,
  ...CLONE_RULES,
  ...FAULT_RULES,
  ...HONESTY_RULES,
  ...LIST_RULES,
];
