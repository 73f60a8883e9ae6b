import type { BackingSource } from "./image-disk.ts";
import type { OpContext } from "./op-context.ts";

/** A file that a disk may be put on. */
export interface BaseChoice {
  /** Absolute. */
  readonly file: string;
  readonly format: "raw" | "qcow2";
  /**
   * The old base is not looked at, and need not be there: whoever says so knows that this file shows the same bytes. One of
   * another size is refused all the same.
   */
  readonly trusted?: boolean;
}

/**
 * What a backend with `overlays` or `clones` implements: disks that stand on a base and hold only what differs. Policy (not in
 * use, of the right size) is the base class's.
 */
export interface StandingHooks {
  /**
   * Copies into the disk what it has of its base and cuts it off; durable when it resolves. Until its very end the disk is
   * the same on the same base, so that one that was interrupted is done again; on a disk that stands alone it does nothing.
   * @throws `DiskNotFound`, `DiskReplaced`, `NoSpace`, `Cancelled`
   */
  absorb(ctx: OpContext): Promise<void>;
  /**
   * What the disk itself names, a file or an image in its storage; undefined if it stands alone.
   * @throws `DiskInUse` while a tool that outlived its agent still works on the disk
   */
  standsOn(ctx: OpContext): Promise<string | undefined>;
  /** Gives back the space that an interrupted `absorb` has lost. Idempotent. */
  mend(ctx: OpContext): Promise<void>;
}

/** Of a backend with `overlays`: the base is a file, and can be another one. */
export interface OverlayHooks extends StandingHooks {
  /**
   * Makes sure that the disk's content is the same on another base; changes nothing.
   * @returns what will be recorded as its `backing`
   * @throws `DiskNotFound`; `DiskReplaced` when the bytes are others; `UnsupportedOperation` without a base
   */
  prove(to: BaseChoice, ctx: OpContext): Promise<BackingSource>;
  /** Puts the disk on a base that was proven. Durable and idempotent; a crash leaves the one or the other. */
  putOn(to: BackingSource, ctx: OpContext): Promise<void>;
}
