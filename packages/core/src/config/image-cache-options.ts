import type { Option } from "./option.ts";

/** Nova's options for the cache of base images, with Nova's types and defaults. */
export const IMAGE_CACHE_OPTIONS = [
  {
    section: "image_cache",
    name: "remove_unused_base_images",
    type: "bool",
    default: true,
    owner: "nova",
    help: "Whether `luksmith cache prune` removes bases that no disk stands on.",
  },
  {
    section: "image_cache",
    name: "remove_unused_original_minimum_age_seconds",
    type: "int",
    min: 0,
    default: 86_400,
    owner: "nova",
    help: "Seconds since its last use before an unused base is removed.",
  },
] as const satisfies readonly Option[];
