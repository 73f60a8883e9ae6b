import type { CacheEntry, CacheListing, Download } from "@luksmith/core/host";

/** A base image in JSON. */
export interface BaseDocument {
  readonly name: string;
  readonly path: string;
  readonly bytes: number;
  readonly allocated_bytes: number;
  readonly last_used: string;
  readonly used_by: readonly string[];
}

export function baseDocument(entry: CacheEntry): BaseDocument {
  return {
    name: entry.name,
    path: entry.path,
    bytes: entry.bytes,
    allocated_bytes: entry.allocatedBytes,
    last_used: entry.lastUsed,
    used_by: entry.usedBy,
  };
}

/** A downloaded image in JSON. */
export interface DownloadDocument {
  readonly image_id: string;
  readonly path: string;
  readonly bytes: number;
  readonly allocated_bytes: number;
  readonly last_used: string;
  readonly complete: boolean;
}

export function downloadDocument(download: Download): DownloadDocument {
  return {
    image_id: download.imageId,
    path: download.path,
    bytes: download.bytes,
    allocated_bytes: download.allocatedBytes,
    last_used: download.lastUsed,
    complete: download.whole,
  };
}

/** For people. */
export function downloadName({ image_id, complete }: DownloadDocument): string {
  return complete ? image_id : `${image_id} (unfinished)`;
}

/** The cache, as `cache list` gives it. */
export function cacheDocument({ bases, downloads }: CacheListing) {
  return { bases: bases.map(baseDocument), downloads: downloads.map(downloadDocument) };
}
