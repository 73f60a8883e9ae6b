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
  LuksmithError,
  operationError,
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
import { fillImage } from "./fill-image.ts";
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
  /** As Nova names it. */
  readonly #name: string;

  constructor(cluster: RbdCluster, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.#cluster = cluster;
    this.#name = `${disk.instanceUuid}_${disk.name}`;
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

  /** Under a random name, which gets its own when all is there: a crash leaves what that name tells from any other. */
  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const partial = `luksmith-partial-${randomUUID()}`;
    const what = `making ${this.label}`;
    if (await this.identify(ctx)) throw this.#exists();
    await undo.defer({ partial });
    const id = await this.#write(partial, request, what, ctx);
    await undo.defer({ name: this.#name, image: id });
    try {
      await this.#call("publish", { name: partial, to: this.#name, id }, "making", ctx);
    } catch (error) {
      throw isLuksmithError(error) && error.code === "DiskExists" ? this.#exists(error) : error;
    }
    request.named?.();
  }

  protected async header(ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    const what = `opening ${this.label}`;
    const { image, size } = await OpenImage.open(this.#cluster, this.#name, { what }, ctx);
    if (expected === undefined || expected["image"] === image.id) return new RbdHeader(image, size);
    await image.close();
    throw new LuksmithError("DiskReplaced", `${this.path} was replaced just now; nothing was touched`, {
      details: { path: this.path },
    });
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

  /** @returns the image's id */
  async #write(
    partial: string,
    { content, container: making }: AllocateImage,
    what: string,
    ctx: OpContext,
  ): Promise<string> {
    const container = await making;
    const { layout, engine } = this.#cluster.options;
    const size = this.#dataOffset + this.disk.virtualSize;
    const wanted = { name: partial, size, writes: container?.writes ?? [] };
    const { image: made, period } = await OpenImage.create(this.#cluster, wanted, layout, what, ctx);
    await using image = made;
    if (container && engine === "librbd" && DATA_OFFSET % period !== 0) throw unsuitable(this.label, period);
    if (content) {
      const volumeKey = container?.volumeKey;
      const fill = { image, dataOffset: this.#dataOffset, volumeKey, step: `write ${this.disk.name}` };
      await fillImage(content, fill, this.services.luks, ctx).catch((error: unknown) => {
        throw operationError(error, ctx.signal, what, { disk: this.disk.name, path: this.path });
      });
    }
    // Its watch and lock must be gone when it gets its name: a guest may be started then.
    await image.close();
    return image.id;
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

  #exists(cause?: unknown): LuksmithError {
    const message = `${this.path} exists already and was not touched; remove or rename that image`;
    return new LuksmithError("DiskExists", message, { cause, details: { path: this.path } });
  }

  /** Bytes before the guest's first. */
  get #dataOffset(): bigint {
    return this.disk.encryption ? BigInt(DATA_OFFSET) : 0n;
  }
}

function unsuitable(label: string, period: number): LuksmithError {
  return new LuksmithError(
    "ConfigInvalid",
    `librbd cannot decrypt ${label}: its objects repeat after ${period} bytes, which must divide ${DATA_OFFSET}; set [luksmith:backend-rbd] object_size, or encryption_engine = qemu`,
  );
}
