import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { nameExists } from "../../file/file-identity.ts";

/** A base with a lease on it is not removed. */
export { SharedLock as BaseLease } from "../../file/shared-lock.ts";

/** Two locks for each base, beside Nova's: one has who makes it, the other who takes it and who removes it. */
export function lockPath(directory: string, base: string, kind: "maker" | "users"): string {
  return join(directory, "..", "locks", `luksmith-${base}${kind === "maker" ? "" : ".users"}.sqlite`);
}

export function makeLockDirectory(directory: string): void {
  const locks = join(directory, "..", "locks");
  if (!nameExists(locks)) mkdirSync(locks, { recursive: true, mode: 0o755 });
}
