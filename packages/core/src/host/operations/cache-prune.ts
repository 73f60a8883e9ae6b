import type { OpContext } from "../../image/op-context.ts";
import {
  pruneCache,
  type Pruned,
  type PruneReport as BasesReport,
  pruneStorage,
} from "../../images/cache/prune-cache.ts";
import { type PrunedDownload, pruneDownloads } from "../../images/image-downloads.ts";
import type { ReadableHost } from "../host.ts";
import { baseUsers, cacheDirectory } from "./cache-list.ts";

export interface PruneOptions {
  /** Says what would be removed, and removes nothing. */
  readonly dryRun: boolean;
  /** Also what was used a moment ago. */
  readonly allUnused: boolean;
}

export interface PruneReport extends BasesReport {
  readonly downloads: readonly PrunedDownload[];
}

/**
 * Removes bases that no disk needs and downloaded images that were not used lately, as `[image_cache]` says. Safe beside
 * creates of other processes, which is why it needs no journal either: what is gone is made or fetched again.
 */
export async function cachePrune(
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
  const { images, backends } = await host.services();
  const { bases, parts } = await pruneCache(cacheDirectory(host), baseUsers(host), policy, ctx);
  const inStorage: Pruned[] = [];
  for (const backend of backends) {
    if (backend.bases) inStorage.push(...(await pruneStorage(backend.bases, policy, ctx)));
  }
  return {
    bases: [...bases, ...inStorage],
    parts,
    downloads: await pruneDownloads(images.downloads, policy, ctx),
  };
}
