import type { DiskIdentity } from "./image-disk.ts";

/** Compares as data, whatever the order of the keys. */
export function sameIdentity(a: DiskIdentity, b: DiskIdentity): boolean {
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => JSON.stringify(a[key]) === JSON.stringify(b[key]))
  );
}
