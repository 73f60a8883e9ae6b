import { createHash } from "node:crypto";
import type { DiskAttestation } from "../../attest/attest-disk.ts";

export const ATTESTATION_TYPE = "application/vnd.luksmith.attestation.v1+json";

/** What a host states of its disks. Fields are only ever added. */
export type Attestation = {
  readonly kind: "luksmith.attestation";
  readonly version: 1;
  readonly id: string;
  /** ISO 8601 */
  readonly issued_at: string;
  /** What the auditor gave, so that an old statement does not pass for a new one; null: nothing. */
  readonly nonce: string | null;
  readonly host: { readonly name: string; readonly key_id: string };
  readonly disks: readonly DiskAttestation[];
  /** What this statement does not exclude, in sentences. */
  readonly limits: readonly string[];
};

export const LIMITS: readonly string[] = [
  "the host says this of itself: whoever rules it can have it sign anything",
  "content that somebody has compressed or encrypted before, and little of it, looks like noise without any encryption of the disk",
  "sectors of zeros are not judged; what is not noise in fewer places than `detects` says may have been missed",
  "a disk on a base shows what it does not store itself from that base, which may be in clear",
  "it was so at that moment",
];

/** Where to look, by the auditor's nonce: then it is no choice of the host's. */
export function seedFor(nonce: string, disk: string): string {
  return createHash("sha256").update(`${nonce}:${disk}`).digest("hex").slice(0, 32);
}
