import { join } from "node:path";
import { backingFiles } from "../../images/cache/backing-files.ts";
import { type CacheEntry, type FindUsers, listCache } from "../../images/cache/prune-cache.ts";
import type { ReadableHost } from "../host.ts";

/** The bases of this host, and which disks stand on them; changes nothing. */
export function cacheList(host: ReadableHost): Promise<readonly CacheEntry[]> {
  return listCache(cacheDirectory(host), baseUsers(host));
}

export function cacheDirectory({ config }: ReadableHost): string {
  return join(config.DEFAULT.instances_path, "_base");
}

/**
 * Asks the inventory, which also knows disks whose storage is away, and the disks themselves, since other agents and Nova
 * may share the directory.
 */
export function baseUsers({ config, inventory }: ReadableHost): FindUsers {
  return async () => {
    const users = new Map(await backingFiles(config.DEFAULT.instances_path));
    for (const { path, backing } of inventory?.instances().flatMap(({ disks }) => disks) ?? []) {
      if (!backing) continue;
      const known = users.get(backing.file) ?? [];
      if (!known.includes(path)) users.set(backing.file, [...known, path]);
    }
    return users;
  };
}
