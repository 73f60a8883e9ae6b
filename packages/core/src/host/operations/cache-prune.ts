import type { OpContext } from "../../image/op-context.ts";
import { pruneCache, type PruneReport } from "../../images/cache/prune-cache.ts";
import type { ReadableHost } from "../host.ts";
import { baseUsers, cacheDirectory } from "./cache-list.ts";

export interface PruneOptions {
  /** Says what would be removed, and removes nothing. */
  readonly dryRun: boolean;
  /** Also bases that were used a moment ago. */
  readonly allUnused: boolean;
}

/**
 * Removes bases that no disk needs, as `[image_cache]` says. Safe beside creates of other processes, which is why it
 * needs no journal either: a base that is gone is made again.
 */
export function cachePrune(
  host: ReadableHost,
  { dryRun, allUnused }: PruneOptions,
  ctx: OpContext,
): Promise<PruneReport> {
  const { remove_unused_base_images, remove_unused_original_minimum_age_seconds } = host.config.image_cache;
  const policy = {
    removeUnused: remove_unused_base_images,
    minimumAgeSeconds: allUnused ? 0 : remove_unused_original_minimum_age_seconds,
    dryRun,
  };
  return pruneCache(cacheDirectory(host), baseUsers(host), policy, ctx);
}
