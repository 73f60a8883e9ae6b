import { join } from "node:path";
import { backingFiles } from "../../images/cache/backing-files.ts";
import type { OpContext } from "../../image/op-context.ts";
import { type CacheEntry, type FindUsers, listCache } from "../../images/cache/prune-cache.ts";
import type { Download } from "../../images/image-downloads.ts";
import type { ReadableHost } from "../host.ts";

export interface CacheListing {
  readonly bases: readonly CacheEntry[];
  /** What the image service has fetched; none where images are files of this host anyway. */
  readonly downloads: readonly Download[];
}

/** The bases of this host and which disks stand on them, and the images that were downloaded; changes nothing. */
export async function cacheList(host: ReadableHost, ctx: OpContext): Promise<CacheListing> {
  const { images, backends } = await host.services();
  const bases = [...(await listCache(cacheDirectory(host), baseUsers(host)))];
  for (const backend of backends) bases.push(...((await backend.bases?.list(ctx)) ?? []));
  return { bases, downloads: (await images.downloads?.list(ctx)) ?? [] };
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
