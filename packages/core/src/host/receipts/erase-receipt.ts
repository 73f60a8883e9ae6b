import type { Erasure } from "../../image/erasure.ts";
import type { HeaderFacts } from "../../image/header-facts.ts";
import type { Json } from "../../image/rollback.ts";

export const RECEIPT_TYPE = "application/vnd.luksmith.erase-receipt.v1+json";

/** What became of a disk, for whoever must know it without access to the host. Fields are only ever added. */
export type EraseReceipt = {
  readonly kind: "luksmith.erase-receipt";
  readonly version: 1;
  readonly id: string;
  /** ISO 8601 */
  readonly issued_at: string;
  readonly host: { readonly name: string; readonly key_id: string };
  readonly operation: {
    readonly id: string;
    /** `delete`, `shelve`, … */
    readonly kind: string;
    /** ISO 8601 */
    readonly started_at: string;
    readonly request_id: string;
    /** The account on the host; of the daemon where it did it. */
    readonly operator: string | null;
  };
  readonly disk: {
    readonly kind: "disk" | "snapshot";
    readonly uuid: string;
    readonly instance: string;
    readonly project: string | null;
    /** In disk_info. */
    readonly name: string;
    readonly backend: string;
    readonly path: string;
    /** The backend's own: an inode, a volume's or image's id; null: nothing was there. */
    readonly identity: Json;
    readonly virtual_size: number;
    readonly encryption_format: string | null;
  };
  /** As it was when the operation began; null: it could not be read. */
  readonly header_before: HeaderFacts | null;
  /** Null: nothing could be erased (it was not encrypted, or was not there). */
  readonly erasure: Erasure | null;
  readonly storage: { readonly removed: boolean; readonly how: string };
  readonly secret: {
    readonly key_manager: string;
    readonly id: string;
    /** When the key manager said that it is gone, ISO 8601; null: it was kept. */
    readonly deleted_at: string | null;
    readonly why_kept: string | null;
  } | null;
  /** What this receipt does not exclude, in sentences. */
  readonly remains: readonly string[];
};
