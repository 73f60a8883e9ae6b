import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type AllocateImage,
  type DiskIdentity,
  type DiskSource,
  type Disposal,
  type HeaderStore,
  Image,
  type ImageDisk,
  type ImageServices,
  LuksmithError,
  operationError,
  type OpContext,
  type Rollback,
  sameIdentity,
  type SnapshotTarget,
  throwIfCancelled,
  type UndoRecord,
  undoNewFile,
  type UnlockedDisk,
} from "@luksmith/core";
import { adoptVolume } from "./adopt-volume.ts";
import { LVM_CAPABILITIES } from "./capabilities.ts";
import { clearVolume } from "./clear-volume.ts";
import type { LvmSettings } from "./config.ts";
import { renameVolume } from "./rename-volume.ts";
import { exportVolume } from "./export-volume.ts";
import { nodeUuid, openVolume, plain, type VolumePlace } from "./volume-device.ts";
import { type Volume, VolumeGroup } from "./volume-group.ts";
import { VolumeHeader } from "./volume-header.ts";
import { isPassing, volumeHolders } from "./volume-holders.ts";
import { volumeName } from "./volume-name.ts";
import { madeTag, newTags, sizeTag, sizeTags, taggedSize } from "./volume-tags.ts";
import { writeVolume, writeZeros } from "./write-volume.ts";

const SECTOR = 512;
/** How often, and how long apart, a volume is looked at that only udev seems to have open. */
const LOOKS = 20;
const BETWEEN_MS = 100;

/**
 * A disk on a logical volume: for an encrypted one the LUKS header, then the payload from sector 4096 on; for a plain one the
 * guest's bytes. Volumes have whole extents; how many bytes the guest sees is a tag of the volume, and whoever opens it for
 * the guest limits it to that.
 */
export class VolumeImage extends Image {
  readonly path: string;
  protected readonly capabilities = LVM_CAPABILITIES;
  readonly #settings: LvmSettings;
  readonly #group: VolumeGroup;
  readonly #name: string;

  constructor(settings: LvmSettings, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.#settings = settings;
    this.#group = new VolumeGroup(settings, services.commands, services.policy.commandTimeoutMs);
    this.#name = volumeName(disk);
    this.path = `/dev/${settings.volumeGroup}/${this.#name}`;
  }

  source(): DiskSource {
    return { type: "block", dev: this.path, format: "raw", dataOffset: this.#dataOffset };
  }

  override get disposal(): Disposal {
    const { clear, clearBytes, thin } = this.#settings;
    const part = clearBytes === 0 ? "whole" : `for its first ${clearBytes} bytes`;
    const how = thin
      ? "discarded"
      : clear === "zero"
        ? "overwritten with zeros"
        : "overwritten with noise three times";
    return {
      how: `the volume was ${clear === "none" ? "" : `${how}, ${part}, and `}removed; LVM passes that on to the device only where lvm.conf says issue_discards`,
      elsewhere: [
        "snapshots of the volume that somebody else made, thin ones above all",
        "mirrors and replicas below the volume group",
        "cells of a flash device that were replaced when they were overwritten",
      ],
    };
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return BigInt(this.#dataOffset) + (this.#settings.thin ? contentBytes : this.disk.virtualSize);
  }

  async spaceFree(ctx: OpContext): Promise<bigint> {
    return await this.#group.freeBytes(ctx);
  }

  async identify(ctx: OpContext): Promise<DiskIdentity | undefined> {
    throwIfCancelled(ctx);
    const uuid = (await nodeUuid(this.#place)) ?? (await this.#volume(ctx))?.uuid;
    return uuid === undefined ? undefined : { lv: plain(uuid) };
  }

  async actualSize(ctx: OpContext): Promise<bigint> {
    const volume = await this.#requireVolume(ctx);
    const room = volume.bytes - BigInt(this.#dataOffset);
    const size = taggedSize(volume.tags) ?? room;
    return size < room ? size : room;
  }

  override async adopt(from: string, undo: Rollback, ctx: OpContext): Promise<void> {
    await this.#make(undo, ctx, (device) =>
      adoptVolume(from, device, this.#bytes, this.disk, this.services, ctx),
    );
  }

  override async rename(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void> {
    const { label, path } = this;
    const volumes = { from: this.#name, to: volumeName({ ...this.disk, name }) };
    await renameVolume(this.#group, volumes, identity, { label, path }, ctx);
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    await this.#make(undo, ctx, async (device) => {
      const place = { dataOffset: this.#dataOffset, blank: this.#settings.thin };
      await writeVolume(device, this.disk, place, request, this.services.luks, ctx);
      request.named?.();
    });
  }

  /** QEMU's slice, which keeps the guest to its size, cannot change while it runs. */
  override requireGrowsRunning(): void {
    throw new LuksmithError(
      "UnsupportedOperation",
      `${this.label} cannot grow while its guest runs and QEMU decrypts it; stop the guest, resize, and start it again`,
      { details: { disk: this.disk.name } },
    );
  }

  protected async header(ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return new VolumeHeader(await this.#open(constants.O_RDWR, expected, ctx), this.label);
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    const volume = await this.#requireVolume(ctx);
    const bytes = BigInt(this.#dataOffset) + virtualSize;
    if (volume.bytes < bytes) await this.#group.extend(this.#name, bytes, this.label, ctx);
    const before = taggedSize(volume.tags) ?? this.disk.virtualSize;
    if (!this.disk.encryption && !volume.thin && before < virtualSize) {
      await using device = await this.#open(constants.O_RDWR, { lv: plain(volume.uuid) }, ctx);
      const part = { start: before, length: virtualSize - before };
      await writeZeros(device, part, `clear ${this.disk.name}`, this.services.luks, ctx);
      await device.datasync();
    }
    // The size is the tag: until here the disk has the one it had.
    const tags = { add: sizeTag(virtualSize), remove: sizeTags(volume.tags) };
    if (before !== virtualSize) await this.#group.retag(volume, tags, this.label, ctx);
  }

  protected async destroy(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    const volume = await this.#volume(ctx);
    if (!volume || !sameIdentity({ lv: plain(volume.uuid) }, identity)) return;
    await this.#clear(volume, this.#settings, ctx);
    await this.#group.remove(volume.uuid, this.label, ctx);
  }

  protected async undoMade(record: UndoRecord, ctx: OpContext): Promise<void> {
    const { volume: name, made } = record;
    if (typeof name !== "string" || typeof made !== "string") return await undoNewFile(record);
    const volume = await this.#group.volume(name, ctx);
    if (!volume?.tags.includes(madeTag(made))) return;
    // Nobody has used it. An encrypted one never had anything readable but its header.
    const header = { clear: "zero", clearBytes: this.#dataOffset } as const;
    await this.#clear(volume, this.disk.encryption ? header : this.#settings, ctx).catch((error: unknown) => {
      // A device that has failed keeps what it has, and must not keep its name from the next disk.
      ctx.log.warn(
        { disk: this.disk.name, path: this.path, err: error },
        "could not clear what is taken back",
      );
    });
    await this.#group.remove(volume.uuid, this.label, ctx);
  }

  protected async holders(ctx: OpContext): Promise<readonly string[]> {
    for (let look = 1; ; look++) {
      const active = (await nodeUuid(this.#place)) !== undefined;
      if (!active || (await this.#group.openCount(this.#name, ctx)) === 0) return [];
      const holders = await volumeHolders(this.path);
      if (!isPassing(holders)) return holders;
      if (look === LOOKS) return holders.length > 0 ? holders : ["something that cannot be named"];
      await sleep(BETWEEN_MS);
      throwIfCancelled(ctx);
    }
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    await using device = await this.#open(constants.O_RDONLY, undefined, ctx);
    const from = { device, offset: BigInt(this.#dataOffset), length: this.disk.virtualSize, unlocked };
    return await exportVolume(from, this.disk, target, this.services, undo, ctx);
  }

  async #make(undo: Rollback, ctx: OpContext, write: (device: FileHandle) => Promise<void>): Promise<void> {
    const made = randomUUID();
    await undo.defer({ volume: this.#name, made });
    const tags = newTags(this.disk, made);
    await this.#group.create({ name: this.#name, bytes: this.#bytes, tags, label: this.label }, ctx);
    // Exclusively: nothing may have mounted it meanwhile.
    await using device = await openVolume(this.#place, undefined, constants.O_RDWR | constants.O_EXCL);
    try {
      await write(device);
      await device.datasync();
    } catch (error) {
      const details = { disk: this.disk.name, path: this.path };
      throw operationError(error, ctx.signal, `writing ${this.label}`, details);
    }
  }

  async #clear(
    volume: Volume,
    how: Pick<LvmSettings, "clear" | "clearBytes">,
    ctx: OpContext,
  ): Promise<void> {
    await using device = await this.#open(constants.O_RDWR, { lv: plain(volume.uuid) }, ctx);
    try {
      await clearVolume(device, volume, how, this.services, ctx);
    } catch (error) {
      throw operationError(error, ctx.signal, `clearing ${this.label}`);
    }
  }

  /** Opens its device; one that is not active is activated. */
  async #open(flags: number, expected: DiskIdentity | undefined, ctx: OpContext): Promise<FileHandle> {
    const place = this.#place;
    if ((await nodeUuid(place)) === undefined) {
      const volume = await this.#volume(ctx);
      if (volume && !volume.active) await this.#group.activate(volume, this.label, ctx);
    }
    const uuid = expected?.["lv"];
    return await openVolume(place, typeof uuid === "string" ? uuid : undefined, flags);
  }

  #volume(ctx: OpContext): Promise<Volume | undefined> {
    return this.#group.volume(this.#name, ctx);
  }

  async #requireVolume(ctx: OpContext): Promise<Volume> {
    const volume = await this.#volume(ctx);
    if (volume) return volume;
    throw new LuksmithError("DiskNotFound", `${this.path} is not there; restore it, or delete its instance`, {
      details: { path: this.path },
    });
  }

  get #place(): VolumePlace {
    const { path, label } = this;
    return { group: this.#group.name, name: this.#name, path, label };
  }

  /** Bytes before the guest's first. */
  get #dataOffset(): number {
    return this.disk.encryption ? this.payloadOffset * SECTOR : 0;
  }

  /** Bytes of header and payload. */
  get #bytes(): bigint {
    return BigInt(this.#dataOffset) + this.disk.virtualSize;
  }
}
