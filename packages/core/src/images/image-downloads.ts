import type { OpContext } from "../image/op-context.ts";
import { throwIfCancelled } from "../image/op-context.ts";
import type { CachePolicy, KeptBecause } from "./cache/prune-cache.ts";

/** A file that an image service keeps so as not to fetch it again. */
export interface Download {
  readonly imageId: string;
  /** Absolute. */
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** What it takes on the storage. */
  readonly allocatedBytes: number;
  /** ISO 8601; of one that is not whole: when bytes last came. */
  readonly lastUsed: string;
  /** False: it was broken off, and may be gone on with. */
  readonly whole: boolean;
}

/** Somebody reads it, or it is being downloaded. */
export type DownloadKept = "in use";

/** What an image service has on this host. */
export interface ImageDownloads {
  /** By image; changes nothing, also where there is no directory yet. */
  list(ctx: OpContext): Promise<readonly Download[]>;
  /**
   * Removes one that `list` gave, unless somebody needs it right now; one that is gone is success.
   * @returns why it was kept
   */
  remove(download: Download, ctx: OpContext): Promise<DownloadKept | undefined>;
}

export interface PrunedDownload extends Download {
  /** In a dry run: would be. */
  readonly removed: boolean;
  readonly keptBecause: KeptBecause | undefined;
}

/** Removes downloads that nobody has used for the minimum age, with the rules for bases. */
export async function pruneDownloads(
  downloads: ImageDownloads | undefined,
  policy: CachePolicy,
  ctx: OpContext,
): Promise<readonly PrunedDownload[]> {
  const pruned: PrunedDownload[] = [];
  for (const download of (await downloads?.list(ctx)) ?? []) {
    throwIfCancelled(ctx);
    let keptBecause: KeptBecause | undefined = keptByPolicy(download, policy);
    if (!keptBecause && !policy.dryRun) keptBecause = await downloads?.remove(download, ctx);
    const removed = keptBecause === undefined;
    if (removed && !policy.dryRun) ctx.log.info({ path: download.path }, "removed a downloaded image");
    pruned.push({ ...download, removed, keptBecause });
  }
  return pruned;
}

function keptByPolicy({ lastUsed }: Download, policy: CachePolicy): KeptBecause | undefined {
  if (!policy.removeUnused) return "switched off";
  const age = Date.now() - Date.parse(lastUsed);
  return age < policy.minimumAgeSeconds * 1000 ? "used lately" : undefined;
}
