import { randomUUID } from "node:crypto";
import {
  type AllocateImage,
  type DiskIdentity,
  type DiskSource,
  type HeaderStore,
  Image,
  type ImageDisk,
  type ImageServices,
  isLuksmithError,
  type Json,
  LuksmithError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  undoNewFile,
  type UndoRecord,
  type UnlockedDisk,
} from "@luksmith/core";
import { RBD_CAPABILITIES } from "./capabilities.ts";
import { OpenImage } from "./ceph/open-image.ts";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import { DATA_OFFSET } from "./config.ts";
import { exportImage } from "./export-image.ts";
import { type NewImage, writeImage } from "./new-image.ts";
import { openCopy } from "./open-copy.ts";
import { rbdSource } from "./rbd-source.ts";
import { RbdHeader } from "./rbd-header.ts";

const SECTOR = 512;

/** What Ceph says of an image, sizes in bytes. */
interface Look {
  readonly id: string;
  readonly size: number;
  readonly watchers: readonly string[];
  readonly children: readonly string[];
}

/**
 * A disk in Ceph: for an encrypted one the LUKS header in the first object, then the payload from the second on, which both
 * QEMU's LUKS and librbd's own open; for a plain one the guest's bytes as they are.
 */
export class RbdImage extends Image {
  readonly path: string;
  protected readonly capabilities = RBD_CAPABILITIES;
  protected override readonly payloadOffset = DATA_OFFSET / SECTOR;
  readonly #cluster: RbdCluster;
  readonly #name: string;

  constructor(cluster: RbdCluster, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.#cluster = cluster;
    this.#name = nameOf(disk);
    this.path = `${cluster.label}/${this.#name}`;
  }

  source(): DiskSource {
    return rbdSource(this.#cluster.options, this.#name, this.disk.encryption !== undefined);
  }

  async identify(ctx: OpContext): Promise<DiskIdentity | undefined> {
    const { id } = await this.#call<{ id: string | null }>(
      "identify",
      { name: this.#name },
      "looking for",
      ctx,
    );
    return id === null ? undefined : { image: id };
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return this.#dataOffset + contentBytes;
  }

  async spaceFree(ctx: OpContext): Promise<bigint | undefined> {
    const { free } = await this.#call<{ free: number | null }>("space", {}, "looking for space for", ctx);
    return free === null ? undefined : BigInt(free);
  }

  async actualSize(ctx: OpContext): Promise<bigint> {
    return BigInt((await this.#look(ctx)).size) - this.#dataOffset;
  }

  protected allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const filled = async (): Promise<NewImage> => {
      const container = await request.container;
      return { content: request.content, writes: container?.writes ?? [], volumeKey: container?.volumeKey };
    };
    return this.#make(filled, undo, ctx, request.named);
  }

  override async adopt(from: string, undo: Rollback, ctx: OpContext): Promise<void> {
    await using copy = await openCopy(from, this.disk, DATA_OFFSET);
    await this.#make(async () => ({ ...copy, volumeKey: undefined }), undo, ctx);
  }

  override async rename(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void> {
    const { image: id } = identity;
    const to = nameOf({ ...this.disk, name });
    const found = await this.identify(ctx);
    if (found === undefined) {
      const { id: there } = await this.#call<{ id: string | null }>(
        "identify",
        { name: to },
        "looking for",
        ctx,
      );
      if (there === id) return;
      const message = `${this.path} is not there; restore it, or delete its instance`;
      throw new LuksmithError("DiskNotFound", message, { details: { path: this.path } });
    }
    if (found["image"] !== id) throw this.#replaced();
    await this.#publish(this.#name, to, id, ctx);
  }

  protected async header(ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    const what = `opening ${this.label}`;
    const { image, size } = await OpenImage.open(this.#cluster, this.#name, { what }, ctx);
    if (expected === undefined || expected["image"] === image.id) return new RbdHeader(image, size);
    await image.close();
    throw this.#replaced();
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    const { id } = await this.#look(ctx);
    const size = Number(this.#dataOffset + virtualSize);
    await this.#long("resize", { name: this.#name, id, size }, "growing", ctx);
  }

  /** With its snapshots, which hold its old header and data. Somebody may have put it into Ceph's trash, too. */
  protected async destroy(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const { image: id } = identity;
    const { removed } = await this.#long<{ removed: boolean }>(
      "remove",
      { name: this.#name, id, patient: false },
      "removing",
      ctx,
    );
    const bytes = Number(this.#dataOffset);
    if (!removed) await this.#long("scrap", { id, bytes }, "removing from the trash", ctx);
  }

  protected async undoMade(record: UndoRecord, ctx: OpContext): Promise<void> {
    const { partial, name, image } = record;
    // A snapshot's file.
    if (partial === undefined && image === undefined) return await undoNewFile(record);
    const args = partial === undefined ? { name, id: image } : { name: partial, id: null };
    await this.#long("remove", { ...args, patient: true }, "taking back", ctx);
  }

  /** Also clones of its snapshots: without it they would be lost. */
  protected async holders(ctx: OpContext): Promise<readonly string[]> {
    try {
      const { watchers, children } = await this.#look(ctx);
      return [
        ...watchers.map((address) => `a client at ${address}`),
        ...children.map((child) => `the clone ${child}`),
      ];
    } catch (error) {
      if (isLuksmithError(error) && error.code === "DiskNotFound") return [];
      throw error;
    }
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    const what = `copying ${this.label} to ${target.path}`;
    const opened = await OpenImage.open(this.#cluster, this.#name, { what, readOnly: true }, ctx);
    await using image = opened.image;
    const guest = {
      image,
      dataOffset: this.#dataOffset,
      length: this.disk.virtualSize,
      volumeKey: unlocked?.volumeKey,
      step: `copy ${this.disk.name}`,
      what,
    };
    return await exportImage(guest, target, this.services, undo, ctx);
  }

  /** Under a random name, which gets its own when all is there: a crash leaves what that name tells from any other. */
  async #make(
    filled: () => Promise<NewImage>,
    undo: Rollback,
    ctx: OpContext,
    named?: () => void,
  ): Promise<void> {
    const partial = `luksmith-partial-${randomUUID()}`;
    if (await this.identify(ctx)) throw this.#exists();
    await undo.defer({ partial });
    const { label, path, disk } = this;
    const place = { name: partial, label, path, disk, dataOffset: this.#dataOffset };
    const id = await writeImage(this.#cluster, place, await filled(), this.services.luks, ctx);
    await undo.defer({ name: this.#name, image: id });
    await this.#publish(partial, this.#name, id, ctx);
    named?.();
  }

  async #publish(name: string, to: string, id: Json | undefined, ctx: OpContext): Promise<void> {
    try {
      await this.#call("publish", { name, to, id }, "naming", ctx);
    } catch (error) {
      throw isLuksmithError(error) && error.code === "DiskExists" ? this.#exists(error) : error;
    }
  }

  #look(ctx: OpContext): Promise<Look> {
    return this.#call<Look>("look", { name: this.#name }, "looking at", ctx);
  }

  #call<T>(op: string, args: Readonly<Record<string, unknown>>, doing: string, ctx: OpContext): Promise<T> {
    return this.#cluster.call<T>(op, args, { what: `${doing} ${this.label}` }, ctx);
  }

  /** What goes through all objects of an image may take as long as any command. */
  #long<T>(op: string, args: Readonly<Record<string, unknown>>, doing: string, ctx: OpContext): Promise<T> {
    const timeoutMs = Math.max(this.services.policy.commandTimeoutMs, 90_000);
    return this.#cluster.call<T>(op, args, { what: `${doing} ${this.label}`, timeoutMs }, ctx);
  }

  #replaced(): LuksmithError {
    const message = `${this.path} is another image than it was; nothing was touched`;
    return new LuksmithError("DiskReplaced", message, { details: { path: this.path } });
  }

  #exists(cause?: unknown): LuksmithError {
    const message = `${this.path} exists already and was not touched; remove or rename that image`;
    return new LuksmithError("DiskExists", message, { cause, details: { path: this.path } });
  }

  /** Bytes before the guest's first. */
  get #dataOffset(): bigint {
    return this.disk.encryption ? BigInt(DATA_OFFSET) : 0n;
  }
}

/** As Nova names it. */
function nameOf({ instanceUuid, name }: ImageDisk): string {
  return `${instanceUuid}_${name}`;
}
