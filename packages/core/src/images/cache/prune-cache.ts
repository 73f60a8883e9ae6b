import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../errors/io-error.ts";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import { removeName } from "../../file/new-file.ts";
import type { StorageBases } from "../../image/image-backend.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import { listDirectory, sweepParts } from "./base-file.ts";
import { lockPath, makeLockDirectory } from "./base-lease.ts";
import { baseOfPart, isBaseName } from "./base-name.ts";

/** A base and who stands on it. */
export interface CacheEntry {
  readonly name: string;
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** What it takes on the storage. */
  readonly allocatedBytes: number;
  /** ISO 8601 */
  readonly lastUsed: string;
  /** Paths of the disks that need it. */
  readonly usedBy: readonly string[];
}

/** Finds which disks stand on which base: paths by path. Asked again before each removal. */
export type FindUsers = () => Promise<ReadonlyMap<string, readonly string[]>>;

export interface CachePolicy {
  /** `[image_cache] remove_unused_base_images` */
  readonly removeUnused: boolean;
  /** `[image_cache] remove_unused_original_minimum_age_seconds` */
  readonly minimumAgeSeconds: number;
  /** Only say what would be removed. */
  readonly dryRun: boolean;
}

export type KeptBecause = "in use" | "switched off" | "used lately" | "being made" | "being taken";

export interface Pruned extends CacheEntry {
  /** In a dry run: would be. */
  readonly removed: boolean;
  readonly keptBecause: KeptBecause | undefined;
}

export interface PruneReport {
  readonly bases: readonly Pruned[];
  /** Paths of what makers that died had left. In a dry run, of those that were there. */
  readonly parts: readonly string[];
}

/** What is in `<instances_path>/_base`; other files in it are not ours to speak of. */
export async function listCache(directory: string, findUsers: FindUsers): Promise<readonly CacheEntry[]> {
  const users = await findUsers();
  const entries: CacheEntry[] = [];
  for (const name of (await listDirectory(directory)).filter(isBaseName).toSorted()) {
    const path = join(directory, name);
    const stat = await lstat(path).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
      return undefined;
    });
    if (!stat || stat.isDirectory()) continue;
    entries.push({
      name,
      path,
      bytes: stat.size,
      allocatedBytes: stat.blocks * 512,
      lastUsed: stat.mtime.toISOString(),
      usedBy: users.get(path) ?? [],
    });
  }
  return entries;
}

/**
 * Removes bases that no disk stands on and nobody has used for the minimum age, and what dead makers left. A base that
 * somebody is making or taking right now is kept: a lock on it is held (see `ImageCache`).
 */
export async function pruneCache(
  directory: string,
  findUsers: FindUsers,
  policy: CachePolicy,
  ctx: OpContext,
): Promise<PruneReport> {
  const bases: Pruned[] = [];
  for (const entry of await listCache(directory, findUsers)) {
    throwIfCancelled(ctx);
    const keptBecause = await removeUnlessNeeded(directory, entry, findUsers, policy);
    const removed = keptBecause === undefined;
    if (removed && !policy.dryRun) ctx.log.info({ base: entry.path }, "removed an unused base");
    bases.push({ ...entry, removed, keptBecause });
  }
  return { bases, parts: await removeParts(directory, policy) };
}

/** The same for bases in the storage of disks, which itself keeps those that disks stand on. */
export async function pruneStorage(
  storage: StorageBases,
  policy: CachePolicy,
  ctx: OpContext,
): Promise<readonly Pruned[]> {
  const bases: Pruned[] = [];
  for (const entry of await storage.list(ctx)) {
    throwIfCancelled(ctx);
    let keptBecause = neededBy(entry, policy);
    if (!keptBecause && !policy.dryRun && !(await storage.remove(entry, ctx))) keptBecause = "being taken";
    const removed = keptBecause === undefined;
    if (removed && !policy.dryRun) ctx.log.info({ base: entry.path }, "removed an unused base");
    bases.push({ ...entry, removed, keptBecause });
  }
  return bases;
}

async function removeUnlessNeeded(
  directory: string,
  entry: CacheEntry,
  findUsers: FindUsers,
  policy: CachePolicy,
): Promise<KeptBecause | undefined> {
  const needed = neededBy(entry, policy);
  if (needed || policy.dryRun) return needed;
  makeLockDirectory(directory);
  using maker = ExclusiveLock.try(lockPath(directory, entry.name, "maker"));
  if (!maker) return "being made";
  using users = ExclusiveLock.try(lockPath(directory, entry.name, "users"));
  if (!users) return "being taken";
  // Since the first look a create may have taken it and ended.
  if ((await findUsers()).has(entry.path)) return "in use";
  await removeName(entry.path);
  return undefined;
}

function neededBy(entry: CacheEntry, policy: CachePolicy): KeptBecause | undefined {
  if (entry.usedBy.length > 0) return "in use";
  if (!policy.removeUnused) return "switched off";
  return usedLately(entry.lastUsed, policy) ? "used lately" : undefined;
}

function usedLately(lastUsed: string, { minimumAgeSeconds }: CachePolicy): boolean {
  return Date.now() - Date.parse(lastUsed) < minimumAgeSeconds * 1000;
}

/** Those of live makers stay: their locks are held. */
async function removeParts(directory: string, { dryRun }: CachePolicy): Promise<readonly string[]> {
  const parts = (await listDirectory(directory)).flatMap((entry) => {
    const base = baseOfPart(entry);
    return base === undefined ? [] : [{ path: join(directory, entry), base }];
  });
  if (parts.length === 0) return [];
  makeLockDirectory(directory);
  const removed: string[] = [];
  for (const base of new Set(parts.map((part) => part.base))) {
    using lock = ExclusiveLock.try(lockPath(directory, base, "maker"));
    if (!lock) continue;
    if (dryRun) removed.push(...parts.filter((part) => part.base === base).map(({ path }) => path));
    else removed.push(...(await sweepParts(directory, base)));
  }
  return removed;
}
