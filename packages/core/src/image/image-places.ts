import { fileIdentity } from "../file/file-identity.ts";
import { removeName } from "../file/new-file.ts";
import { eraseHeader } from "./erase-header.ts";
import type { BackingSource, DiskIdentity } from "./image-disk.ts";
import { ImageHooks } from "./image-hooks.ts";
import * as refusals from "./image-refusals.ts";
import type { OpContext } from "./op-context.ts";
import type { BaseChoice } from "./overlay-hooks.ts";
import { readHeader } from "./read-header.ts";
import type { Rollback } from "./rollback.ts";
import { sameIdentity } from "./same-identity.ts";
import type { SnapshotTarget } from "./snapshot-target.ts";
import { unlockDisk } from "./unlock.ts";

/** Where else a disk's content is: in copies, and in the base that it stands on. The policy of `Image` for these. */
export abstract class ImagePlaces extends ImageHooks {
  /**
   * Writes a copy of the disk as it is now. The copy is never plain on the way: it is encrypted with a key of its own
   * unless the target says plain.
   * @throws `TargetExists`, `DiskInUse`, `DiskNotProven` (another size), `UnsupportedOperation`, `NoSpace`, `Cancelled`
   */
  async snapshot(target: SnapshotTarget, undo: Rollback, ctx: OpContext): Promise<DiskIdentity> {
    if (!this.capabilities.snapshot.includes(target.format))
      throw refusals.unsupportedOperation(this, `a ${target.format} snapshot`);
    await this.requireIdle(ctx);
    await this.requireMadeSize(ctx);
    using unlocked = this.disk.encryption ? await this.unlock(ctx) : undefined;
    return await this.exportTo(target, unlocked, undo, ctx);
  }

  /**
   * Makes sure that a copy in a file, which bears this disk's UUID, opens with the passphrase as the key manager has it.
   * @throws `DiskNotProven`, `LuksPassphraseRefused`, and what keeps the key manager from answering
   */
  async proveCopy(path: string, ctx: OpContext): Promise<void> {
    if (!this.disk.encryption) return;
    await using store = await this.headerOfCopy(path);
    const { uuid } = await readHeader(store, ctx);
    if (uuid !== this.disk.uuid) throw refusals.notThisDisk(this, path, uuid);
    using _unlocked = await unlockDisk(this.disk, store, this.services, ctx);
  }

  /**
   * Erases the key slots of a copy in a file if it still is `identity`, and removes it. Idempotent: another file, or none,
   * is left alone.
   */
  async removeCopy(path: string, identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const found = await fileIdentity(path);
    if (!found || !sameIdentity(found, identity)) return;
    if (this.disk.encryption) {
      await using store = await this.headerOfCopy(path, identity);
      await eraseHeader(store, this.payloadOffset, ctx);
    }
    await removeName(path);
  }

  /**
   * Copies into the disk what it has of its base; afterwards it stands alone, in place, encrypted by the same key. A second
   * call, also after a crash, finishes it or finds nothing to do.
   * @throws `UnsupportedOperation`, `DiskInUse`, `DiskNotProven`, `DiskNotFound`, `DiskReplaced`, `NoSpace`, `Cancelled`
   */
  async flatten(ctx: OpContext): Promise<void> {
    const standing = this.requireStanding("flattening");
    await this.requireIdle(ctx);
    await this.requireMadeSize(ctx);
    await standing.absorb(ctx);
  }

  /**
   * Makes sure that the disk can be put on another base with its content unchanged; changes nothing, takes as long as
   * reading both bases.
   * @returns what `rebase` takes
   * @throws `UnsupportedOperation`, `DiskInUse`, `DiskNotFound`; `DiskReplaced` when the bytes are others
   */
  async proveBase(to: BaseChoice, ctx: OpContext): Promise<BackingSource> {
    const overlay = this.requireOverlays("another base");
    await this.requireIdle(ctx);
    await this.requireMadeSize(ctx);
    return await overlay.prove(to, ctx);
  }

  /** Puts the disk on a base that `proveBase` gave. Durable and idempotent; a crash leaves it on one or the other. */
  async rebase(to: BackingSource, ctx: OpContext): Promise<void> {
    const overlay = this.requireOverlays("another base");
    await this.requireIdle(ctx);
    await overlay.putOn(to, ctx);
  }

  /** Whether what it stands on is recorded, in its `source`. Of a clone, its storage alone knows it. */
  get recordsBase(): boolean {
    return this.capabilities.overlays;
  }

  /**
   * What the disk stands on by its own header, undefined if it stands alone.
   * @throws `UnsupportedOperation`; `DiskInUse` while something works on it
   */
  async standsOn(ctx: OpContext): Promise<string | undefined> {
    const standing = this.requireStanding("a base");
    await this.requireIdle(ctx);
    return await standing.standsOn(ctx);
  }

  /** `standsOn` after a flatten that failed or was killed: what that has lost is put right first, as far as can be. */
  async settleBase(ctx: OpContext): Promise<string | undefined> {
    // Of a clone nothing is lost, and its storage says what it is whoever has it open.
    if (!this.recordsBase) return await this.requireStanding("a base").standsOn(ctx);
    await this.standsOn(ctx);
    await this.standing?.mend(ctx).catch((error: unknown) => {
      ctx.log.warn({ disk: this.disk.name, path: this.path, err: error }, "could not look for lost clusters");
    });
    return await this.standsOn(ctx);
  }
}
