import type { CacheEntry } from "@luksmith/core/host";

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
