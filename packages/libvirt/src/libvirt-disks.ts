import type { OpContext } from "@luksmith/core";
import type { LayerSource } from "./disk-source-xml.ts";

/**
 * Disks of guests, named by their device (`vda`). libvirt by itself writes plain copies of encrypted disks and shrinks
 * disks under a running guest; here that is refused before anything happens.
 */
export interface LibvirtDisks {
  /** Bytes. Also of guests that do not run. */
  info(uuid: string, device: string, ctx: OpContext): Promise<BlockInfo>;
  /**
   * Grows a disk of a running guest, which sees it at once. Nothing happens when it has this size already.
   * @param bytes as the guest sees them
   * @throws `CannotShrink`, `DomainStateConflict`
   */
  grow(uuid: string, device: string, bytes: bigint, ctx: OpContext): Promise<void>;
  /** @param xml of `diskXml`; it is attached to the running guest, if it runs, and to its definition, if there is one */
  attach(uuid: string, xml: string, ctx: OpContext): Promise<void>;
  detach(uuid: string, xml: string, ctx: OpContext): Promise<void>;
  /**
   * Puts overlays on disks of a running guest, all at the same moment; from then on the guest writes to them. Other
   * disks get none, though libvirt would give each one.
   * @throws `PlaintextCopyRefused` when an encrypted disk would get a plain overlay
   */
  snapshot(uuid: string, overlays: readonly Overlay[], ctx: OpContext): Promise<void>;
  /**
   * Merges a disk's topmost overlay into what is below it; the guest then writes to that. Returns when it does.
   * @throws `Cancelled` and `LibvirtTimedOut` after the merge was stopped: the overlay stays
   */
  commit(uuid: string, device: string, ctx: OpContext): Promise<void>;
  /**
   * Copies a disk of a running guest, its whole chain, and keeps the copy the same until `finishCopy`.
   * @throws `PlaintextCopyRefused` when the copy of an encrypted disk would be plain
   */
  startCopy(uuid: string, device: string, target: CopyTarget, ctx: OpContext): Promise<void>;
  /** The job of `startCopy` or `commit`; undefined when there is none. */
  job(uuid: string, device: string, ctx: OpContext): Promise<BlockJob | undefined>;
  /** Ends a copy that is ready: the guest goes on with the copy (`pivot`), or with the original. */
  finishCopy(uuid: string, device: string, go: "pivot" | "stay", ctx: OpContext): Promise<void>;
}

export interface BlockInfo {
  /** What the guest sees. */
  readonly capacity: bigint;
  /** What it takes on the storage. */
  readonly allocation: bigint;
  /** The container. */
  readonly physical: bigint;
}

export interface Overlay {
  readonly device: string;
  /** A qcow2 file. */
  readonly file: string;
  /**
   * It exists: made before, with the disk as its backing file. Else QEMU makes it, which takes seconds of key stretching
   * for an encrypted one, and fails now and then on a busy host ("Unable to get accurate CPU usage"): better make it.
   */
  readonly exists: boolean;
  /** The secret that encrypts it. */
  readonly secretId?: string;
}

export interface CopyTarget {
  readonly source: LayerSource;
  /** It exists, with the right size. Else QEMU makes it, with the same trouble as an overlay. */
  readonly exists: boolean;
}

export interface BlockJob {
  readonly kind: "pull" | "copy" | "commit" | "active-commit" | "backup" | "unknown";
  /** No unit: `done` of `total`. */
  readonly done: bigint;
  readonly total: bigint;
  /** A copy or an active commit has caught up and can be ended by `pivot`; `done` and `total` are equal before that. */
  readonly ready: boolean;
}
