import { stat } from "node:fs/promises";
import { join } from "node:path";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import { removeName } from "../../file/new-file.ts";
import type { OpContext } from "../../image/op-context.ts";
import { listDirectory } from "./base-file.ts";
import { isBaseName } from "./base-name.ts";

/** A base and who stands on it. */
export interface CacheEntry {
  readonly name: string;
  readonly path: string;
  /** Bytes the guest of a raw base sees. */
  readonly size: number;
  /** Bytes it takes on the storage. */
  readonly allocated: number;
  /** ISO 8601 */
  readonly lastUsed: string;
  /** UUIDs of the disks whose overlay needs it. */
  readonly usedBy: readonly string[];
}

export interface CachePolicy {
  /** `[image_cache] remove_unused_base_images` */
  readonly removeUnused: boolean;
  /** `[image_cache] remove_unused_original_minimum_age_seconds` */
  readonly minimumAgeSeconds: number;
}

export interface Pruned extends CacheEntry {
  readonly removed: boolean;
  /** Why it was kept: `in use`, `used lately`, `being made`, `switched off`. */
  readonly reason: string | undefined;
}

/**
 * What is in `<instances_path>/_base`; other files in it are not ours to speak of.
 * @param usersOf disks by the path of the base they stand on
 */
export async function listCache(
  directory: string,
  usersOf: (path: string) => readonly string[],
): Promise<readonly CacheEntry[]> {
  const names = (await listDirectory(directory)).filter(isBaseName).toSorted((a, b) => a.localeCompare(b));
  return Promise.all(
    names.map(async (name): Promise<CacheEntry> => {
      const path = join(directory, name);
      const { size, blocks, mtime } = await stat(path);
      return {
        name,
        path,
        size,
        allocated: blocks * 512,
        lastUsed: mtime.toISOString(),
        usedBy: usersOf(path),
      };
    }),
  );
}

/**
 * Removes bases that no disk stands on and nobody has used for the minimum age. A base that somebody is making or
 * taking right now is kept: its lock is held.
 */
export async function pruneCache(
  directory: string,
  usersOf: (path: string) => readonly string[],
  policy: CachePolicy,
  ctx: OpContext,
): Promise<readonly Pruned[]> {
  const pruned: Pruned[] = [];
  for (const entry of await listCache(directory, usersOf)) {
    const reason = await removeUnlessNeeded(directory, entry, policy);
    if (reason === undefined) ctx.log.info({ base: entry.path }, "removed an unused base");
    pruned.push({ ...entry, removed: reason === undefined, reason });
  }
  return pruned;
}

async function removeUnlessNeeded(
  directory: string,
  entry: CacheEntry,
  policy: CachePolicy,
): Promise<string | undefined> {
  if (entry.usedBy.length > 0) return "in use";
  if (!policy.removeUnused) return "switched off";
  if (Date.now() - Date.parse(entry.lastUsed) < policy.minimumAgeSeconds * 1000) return "used lately";
  const lock = ExclusiveLock.try(join(directory, "..", "locks", `luksmith-${entry.name}.sqlite`));
  if (!lock) return "being made";
  using _held = lock;
  await removeName(entry.path);
  return undefined;
}
