import type { Passphrase } from "@luksmith/core";

/** Whether both are the same token. One that was wiped is an old one. */
export function sameToken(current: Passphrase, other: Passphrase): boolean {
  if (current === other) return true;
  try {
    return current.equals(other);
  } catch {
    return false;
  }
}
