import {
  type BackingSource,
  type BaseChoice,
  type ImageServices,
  LuksmithError,
  openers,
  type OpContext,
  type OverlayHooks,
} from "@luksmith/core";
import { inspectBase, requireBase, requireNamed, requireUnchanged } from "./base.ts";
import { type Qcow2File, setBacking } from "@luksmith/qcow2";
import { driverOf, type Unlocked } from "./qemu-options.ts";
import { absorbBase, freeLostClusters, requireSameBytes } from "./rebase.ts";
import { withImage } from "./with-image.ts";

/** The disk whose base is changed, as its image lends it. */
export interface OverlayDisk {
  readonly path: string;
  readonly label: string;
  readonly services: ImageServices;
  /** What it stands on, as recorded. */
  backing(): BackingSource | undefined;
  /** What it stands on from now on. */
  recorded(backing: BackingSource | undefined): void;
  /** What opens its base, or base and disk. The caller disposes it. */
  readonly unlock: (parts: "base" | "all", ctx: OpContext) => Promise<Unlocked & Disposable>;
  /** Opens the disk after looking whether it and its base are as they were left. */
  readonly withOurs: <T>(mode: "read" | "write", use: (image: Qcow2File) => Promise<T>) => Promise<T>;
}

/** Takes disks off their bases, and puts them on others. */
export class Qcow2Overlay implements OverlayHooks {
  readonly #disk: OverlayDisk;

  constructor(disk: OverlayDisk) {
    this.#disk = disk;
  }

  async absorb(ctx: OpContext): Promise<void> {
    const { path, label, services, withOurs, unlock } = this.#disk;
    if ((await this.standsOn(ctx)) !== undefined) {
      await withOurs("read", async (image) => {
        using keys = await unlock("all", ctx);
        await absorbBase(path, image, keys, label, services, ctx);
      });
      await withImage(path, "write", (image) => image.handle.datasync());
    }
    this.#disk.recorded(undefined);
  }

  async prove(to: BaseChoice, ctx: OpContext): Promise<BackingSource> {
    const { path, label, services, unlock } = this.#disk;
    const from = this.requireBacking();
    const { file, format, trusted = false } = to;
    const { backing } = await inspectBase({ ...from, file, format }, label);
    if (trusted) {
      await withImage(path, "read", async (image) => requireNamed(image, from, label));
      if (backing.virtualSize !== from.virtualSize) throw otherSize(backing, from, label);
      return backing;
    }
    await withImage(path, "read", (image) => requireBase(image, from, label));
    using keys = await unlock("base", ctx);
    await requireSameBytes(from, backing, keys.basePassphrase, label, services, ctx);
    return backing;
  }

  async putOn(to: BackingSource, _ctx: OpContext): Promise<void> {
    const { path, label } = this.#disk;
    const from = this.requireBacking();
    const format = driverOf(to);
    await requireUnchanged(to, label);
    await withImage(path, "write", async (image) => {
      if (image.backing?.file === to.file && image.backing.format === format) return;
      requireNamed(image, from, label);
      await setBacking(image, { file: to.file, format });
    });
    this.#disk.recorded(to);
  }

  async standsOn(_ctx: OpContext): Promise<string | undefined> {
    const { path, label } = this.#disk;
    const holders = await openers(path);
    if (holders.length > 0) {
      throw new LuksmithError(
        "DiskInUse",
        `${label} is open in ${holders.join(", ")}; wait until that has ended, then try again`,
        { details: { path, holders } },
      );
    }
    return await withImage(path, "read", async ({ backing }) => backing?.file);
  }

  async mend(ctx: OpContext): Promise<void> {
    const { path, services, unlock } = this.#disk;
    using keys = await unlock("all", ctx);
    // A disk that stands alone by now has no use for the key of its base.
    const stands = await withImage(path, "read", async ({ backing }) => backing !== undefined);
    await freeLostClusters(path, stands ? keys : { ...keys, base: undefined }, services, ctx);
  }

  private requireBacking(): BackingSource {
    const backing = this.#disk.backing();
    if (backing) return backing;
    throw new LuksmithError(
      "UnsupportedOperation",
      `${this.#disk.label} stands on nothing: there is no base to change`,
    );
  }
}

function otherSize(to: BackingSource, from: BackingSource, label: string): LuksmithError {
  return new LuksmithError(
    "DiskReplaced",
    `${to.file} shows ${to.virtualSize} bytes where the base of ${label} had ${from.virtualSize}; nothing was touched`,
    { details: { base: from.file, other: to.file } },
  );
}
