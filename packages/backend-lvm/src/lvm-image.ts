import {
  type DiskIdentity,
  type DiskSource,
  type ImageDisk,
  type ImageServices,
  LuksmithError,
  type OpContext,
  type UndoRecord,
} from "@luksmith/core";
import type { LvmSettings } from "./config.ts";
import { LuksMapping } from "./luks-mapping.ts";
import { isPassing } from "./volume-holders.ts";
import { VolumeImage } from "./volume-image.ts";

/**
 * A disk on a logical volume that the kernel may decrypt for its guest (`[luksmith] decryption = dm-crypt`). The mapping is the
 * guest's alone: whatever else is done to the disk is done to the volume, and closes a mapping first that nothing uses. It is closed
 * also when the option says `qemu` by now.
 */
export class LvmImage extends VolumeImage {
  readonly #byKernel: boolean;
  readonly #mapping: LuksMapping;

  constructor(settings: LvmSettings, disk: ImageDisk, services: ImageServices) {
    super(settings, disk, services);
    this.#byKernel = settings.decryption === "dm-crypt" && disk.encryption !== undefined;
    const { commands, policy } = services;
    const told = async (open: boolean, ctx: OpContext): Promise<void> =>
      services.mapped?.({ disk, path: this.#mapping.path, open }, ctx);
    const volume = { path: this.path, label: this.label, luksUuid: disk.uuid, told };
    this.#mapping = new LuksMapping(volume, commands, policy.commandTimeoutMs);
  }

  override get guestSource(): DiskSource {
    if (!this.#byKernel) return this.source();
    return { type: "block", dev: this.#mapping.path, format: "raw", decryptedBy: "kernel" };
  }

  override async activate(ctx: OpContext): Promise<void> {
    if (!this.#byKernel) {
      await this.deactivate(ctx);
      return;
    }
    // Opened here first: whatever is wrong with header or passphrase is told as for any disk.
    await this.#mapping.open(this.disk.virtualSize, () => this.unlock(ctx), ctx);
  }

  override async deactivate(ctx: OpContext): Promise<void> {
    if ((await this.#mapping.bytes(ctx)) !== undefined) await this.requireIdle(ctx);
  }

  /** A mapping that nothing has open is closed: what is read and written from here on is the volume. */
  override async requireIdle(ctx: OpContext): Promise<void> {
    await super.requireIdle(ctx);
    await this.#mapping.close(ctx);
  }

  override async rename(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void> {
    await this.deactivate(ctx);
    await super.rename(identity, name, ctx);
  }

  override requireGrowsRunning(): void {
    if (!this.#byKernel) super.requireGrowsRunning();
  }

  override async growBelow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    // The option may have changed since the guest was started.
    if ((await this.#mapping.bytes(ctx)) === undefined) super.requireGrowsRunning();
    const current = await this.actualSize(ctx);
    if (virtualSize < current) {
      throw new LuksmithError(
        "CannotShrink",
        `${this.label} has ${current} bytes and cannot be made smaller (${virtualSize} bytes); nothing was changed`,
        { details: { disk: this.disk.name } },
      );
    }
    await this.grow(virtualSize, ctx);
    await this.#mapping.resize(virtualSize, ctx);
  }

  protected override async undoMade(record: UndoRecord, ctx: OpContext): Promise<void> {
    // It may have been opened for a guest that did not come to be.
    if (typeof record["made"] === "string") await this.deactivate(ctx);
    await super.undoMade(record, ctx);
  }

  protected override async holders(ctx: OpContext): Promise<readonly string[]> {
    const holders = await super.holders(ctx);
    if ((await this.#mapping.bytes(ctx)) === undefined) return holders;
    const others = holders.filter((name) => name !== `the mapping ${this.#mapping.name}`);
    // udev looks at both for a moment; cryptsetup waits for it when it closes one.
    return [...others, ...(await this.#mapping.holders(ctx))].filter((name) => !isPassing([name]));
  }
}
