/** What `<driver cache>` can say. */
const MODES = new Set(["default", "none", "writethrough", "writeback", "directsync", "unsafe"]);

/** Caches that leave O_DIRECT on, which `io='native'` needs. */
const DIRECT = new Set(["none", "directsync"]);

/**
 * The cache mode of a source type by `[libvirt] disk_cachemodes` (`file=none`, `block=directsync`, …); `none` where it
 * says nothing. Entries that Nova does not know are ignored, as Nova does.
 */
export function cacheMode(sourceType: string, diskCacheModes: readonly string[]): string {
  const entries = diskCacheModes.map((entry) => entry.split("=").map((part) => part.trim()));
  const found = entries.findLast(
    ([type, mode, ...rest]) => type === sourceType && rest.length === 0 && MODES.has(mode ?? ""),
  );
  return found?.[1] ?? "none";
}

/** Native I/O where the space is there already; libvirt refuses it with a cache that goes through the host's pages. */
export function ioMode(allocated: boolean, cache: string): string | undefined {
  if (!allocated) return undefined;
  return DIRECT.has(cache) ? "native" : "threads";
}
