import type { GeneratedPassphrase } from "@luksmith/luks";

/** A file that a disk is copied to. */
export interface SnapshotTarget {
  /** Absolute; must not exist. */
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** The snapshot's own UUID, which an encrypted one has in its LUKS header. */
  readonly uuid: string;
  /** Its own new passphrase, already stored, the caller's to dispose. Absent: a plain copy was asked for. */
  readonly passphrase?: GeneratedPassphrase;
  /** Makes temporary names unique and recoverable. */
  readonly operation: string;
}
