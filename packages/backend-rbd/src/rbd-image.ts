import { randomUUID } from "node:crypto";
import {
  type AllocateImage,
  type DiskIdentity,
  type HeaderStore,
  type ImageDisk,
  type ImageServices,
  type ImageSource,
  isLuksmithError,
  type Json,
  LuksmithError,
  type OpContext,
  type OpenContent,
  type OpenParts,
  type Rollback,
  type SnapshotTarget,
  type StandingHooks,
  undoNewFile,
  type UndoRecord,
  type UnlockedDisk,
} from "@luksmith/core";
import { OpenImage } from "./ceph/open-image.ts";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import type { CloneBases } from "./clone-bases.ts";
import { DATA_OFFSET } from "./config.ts";
import { exportImage } from "./export-image.ts";
import { type NewImage, writeImage } from "./new-image.ts";
import { openCopy } from "./open-copy.ts";
import { openObjects } from "./open-objects.ts";
import { RbdClone } from "./rbd-clone.ts";
import { nameOf, RbdDisk } from "./rbd-disk.ts";
import { RbdHeader } from "./rbd-header.ts";

/**
 * A disk in Ceph: for an encrypted one the LUKS header in the first object, then the payload from the second on, which both
 * QEMU's LUKS and librbd's own open; for a plain one the guest's bytes as they are.
 */
export class RbdImage extends RbdDisk {
  readonly #bases: CloneBases;

  constructor(cluster: RbdCluster, bases: CloneBases, disk: ImageDisk, services: ImageServices) {
    super(cluster, disk, services);
    this.#bases = bases;
  }

  /** Of one that becomes a clone, nothing is read here: its base may be there already. */
  protected override async openSource(source: ImageSource, ctx: OpContext): Promise<OpenContent> {
    if (this.#bases.imageFor(this.disk, source)) return { [Symbol.asyncDispose]: async () => {} };
    return await super.openSource(source, ctx);
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const { disk, label } = this;
    const image = this.#bases.imageFor(disk, request.source);
    const make = async (name: string): Promise<string> => {
      if (!image) {
        const container = await request.container;
        const { writes = [], volumeKey } = container ?? {};
        return await this.#write(name, { content: request.content, writes, volumeKey }, ctx);
      }
      const cloned = await this.#bases.clone({ disk, label, image, name }, undo, ctx);
      if (cloned !== undefined) return cloned;
      await using opened = await super.openSource(request.source, ctx);
      return await this.#write(name, { content: opened.content, writes: [], volumeKey: undefined }, ctx);
    };
    await this.#make(make, undo, ctx, request.named);
  }

  override async adopt(from: string, undo: Rollback, ctx: OpContext): Promise<void> {
    await using copy = await openCopy(from, this.disk, DATA_OFFSET);
    await this.#make((name) => this.#write(name, { ...copy, volumeKey: undefined }, ctx), undo, ctx);
  }

  override get hasParts(): boolean {
    return true;
  }

  override async openParts(access: "read" | "write", ctx: OpContext): Promise<OpenParts> {
    await this.requireIdle(ctx);
    const unlocked = this.disk.encryption ? await this.unlock(ctx) : undefined;
    const open = { what: `copying ${this.label}`, readOnly: access === "read" };
    try {
      const { image } = await OpenImage.open(this.cluster, this.name, open, ctx);
      return openObjects(image, unlocked, this.dataOffset);
    } catch (error) {
      unlocked?.[Symbol.dispose]();
      throw error;
    }
  }

  protected override get standing(): StandingHooks {
    return new RbdClone(this.cluster, this.name, this.label, this.longMs);
  }

  override async rename(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void> {
    const { image: id } = identity;
    const to = nameOf({ ...this.disk, name });
    const found = await this.identify(ctx);
    if (found === undefined) {
      const { id: there } = await this.call<{ id: string | null }>(
        "identify",
        { name: to },
        "looking for",
        ctx,
      );
      if (there === id) return;
      const message = `${this.path} is not there; restore it, or delete its instance`;
      throw new LuksmithError("DiskNotFound", message, { details: { path: this.path } });
    }
    if (found["image"] !== id) throw this.replaced();
    await this.#publish(this.name, to, id, ctx);
  }

  protected async header(ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    const what = `opening ${this.label}`;
    const { image, size } = await OpenImage.open(this.cluster, this.name, { what }, ctx);
    if (expected === undefined || expected["image"] === image.id) return new RbdHeader(image, size);
    await image.close();
    throw this.replaced();
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    const { id } = await this.look(ctx);
    const size = Number(this.dataOffset + virtualSize);
    await this.long("resize", { name: this.name, id, size }, "growing", ctx);
  }

  /** With its snapshots, which hold its old header and data. Somebody may have put it into Ceph's trash, too. */
  protected async destroy(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const { image: id } = identity;
    const { removed } = await this.long<{ removed: boolean }>(
      "remove",
      { name: this.name, id, patient: false },
      "removing",
      ctx,
    );
    const bytes = Number(this.dataOffset);
    if (!removed) await this.long("scrap", { id, bytes }, "removing from the trash", ctx);
  }

  protected async undoMade(record: UndoRecord, ctx: OpContext): Promise<void> {
    const { partial, name, image } = record;
    // A snapshot's file.
    if (partial === undefined && image === undefined) return await undoNewFile(record);
    const args = partial === undefined ? { name, id: image } : { name: partial, id: null };
    await this.long("remove", { ...args, patient: true }, "taking back", ctx);
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    const what = `copying ${this.label} to ${target.path}`;
    const opened = await OpenImage.open(this.cluster, this.name, { what, readOnly: true }, ctx);
    await using image = opened.image;
    const guest = {
      image,
      dataOffset: this.dataOffset,
      length: this.disk.virtualSize,
      volumeKey: unlocked?.volumeKey,
      step: `copy ${this.disk.name}`,
      what,
    };
    return await exportImage(guest, target, this.services, undo, ctx);
  }

  /** Under a random name, which gets its own when all is there: a crash leaves what that name tells from any other. */
  async #make(
    make: (name: string) => Promise<string>,
    undo: Rollback,
    ctx: OpContext,
    named?: () => void,
  ): Promise<void> {
    const partial = `luksmith-partial-${randomUUID()}`;
    if (await this.identify(ctx)) throw this.exists();
    await undo.defer({ partial });
    const id = await make(partial);
    await undo.defer({ name: this.name, image: id });
    await this.#publish(partial, this.name, id, ctx);
    named?.();
  }

  /** @returns its id */
  #write(name: string, filled: NewImage, ctx: OpContext): Promise<string> {
    const { label, path, disk } = this;
    const place = { name, label, path, disk, dataOffset: this.dataOffset };
    return writeImage(this.cluster, place, filled, this.services.luks, ctx);
  }

  async #publish(name: string, to: string, id: Json | undefined, ctx: OpContext): Promise<void> {
    try {
      await this.call("publish", { name, to, id }, "naming", ctx);
    } catch (error) {
      throw isLuksmithError(error) && error.code === "DiskExists" ? this.exists(error) : error;
    }
  }
}
