import type { GuestKey } from "../../guest/hypervisor.ts";
import type { GoneRecord } from "../../journal/gone.ts";

/** What does not fit together; `docs/reference/gc.md` has the same list, and a test compares. */
export const DISCREPANCY_KINDS = [
  "disk-missing",
  "disk-replaced",
  "disk-elsewhere",
  "disk-double",
  "disk-returned",
  "disk-remnant",
  "disk-unrecorded",
  "disk-partial",
  "directory-empty",
  "snapshot-missing",
  "snapshot-replaced",
  "secret-missing",
  "secret-orphan",
  "secret-superseded",
  "secret-unrecorded",
  "copy-orphan",
  "copy-missing",
  "guest-missing",
  "guest-key-orphan",
  "guest-key-missing",
  "mapping-orphan",
] as const;
export type DiscrepancyKind = (typeof DISCREPANCY_KINDS)[number];

/** What `--apply` does about it: only where it is proven that this host made it, and that nobody needs it. */
export type GcAct = {
  /** The instance or snapshot that is reserved meanwhile. */
  readonly subject: string;
} & (
  | {
      readonly kind: "forget-secret";
      readonly id: string;
      /** What it opened, which has left the inventory. */
      readonly gone?: GoneRecord;
      /** The disk, by its UUID, which another secret opens. */
      readonly superseded?: string;
    }
  | { readonly kind: "forget-copy"; readonly id: string }
  | { readonly kind: "take-key"; readonly key: GuestKey }
  | { readonly kind: "remove-disk"; readonly gone: GoneRecord }
  | { readonly kind: "remove-directory"; readonly path: string; /** ISO 8601 */ readonly changedAt: string }
);

export interface Discrepancy {
  readonly kind: DiscrepancyKind;
  readonly instanceUuid: string | undefined;
  /** A path, or a secret's id. */
  readonly object: string;
  /** What is so, for people. */
  readonly finding: string;
  /** What somebody may do about it. */
  readonly advice: string;
  /** Undefined: nothing is done by itself. */
  readonly act?: GcAct;
}
