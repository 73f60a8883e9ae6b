import { readdir, readFile, stat } from "node:fs/promises";
import {
  type CommandRunner,
  isLuksmithError,
  LuksmithError,
  type OpContext,
  type Passphrase,
  throwIfCancelled,
  type UnlockedDisk,
} from "@luksmith/core";
import { majorMinor } from "./volume-device.ts";
import { volumeHolders } from "./volume-holders.ts";

/** Not Nova's `-dmcrypt`, by which it knows disks of dm-crypt's plain mode. */
export const SUFFIX = "-luks";
const SECTOR = 512n;
/** cryptsetup's exit code for what is not there. */
const NOT_THERE = 4;

/** What is decrypted. */
export interface MappedVolume {
  /** `/dev/GROUP/NAME` */
  readonly path: string;
  /** For messages. */
  readonly label: string;
  /** In its header. */
  readonly luksUuid: string;
  /** Told whenever it was opened or closed. @throws what must keep it from being opened */
  readonly told: (open: boolean, ctx: OpContext) => Promise<void>;
}

/** The kernel's view of a volume's guest bytes, decrypted: a device of dm-crypt over it, which shows exactly the disk's size. */
export class LuksMapping {
  readonly name: string;
  readonly #volume: MappedVolume;
  readonly #commands: CommandRunner;
  readonly #timeoutMs: number;

  constructor(volume: MappedVolume, commands: CommandRunner, timeoutMs: number) {
    this.name = `${volume.path.split("/").at(-1) ?? ""}${SUFFIX}`;
    this.#volume = volume;
    this.#commands = commands;
    this.#timeoutMs = timeoutMs;
  }

  get path(): string {
    return `/dev/mapper/${this.name}`;
  }

  /**
   * Bytes that it shows, by the kernel alone; undefined: it is not open on this volume.
   * @throws `DiskReplaced`: what is open under its name is another's
   */
  async bytes(ctx: OpContext): Promise<bigint | undefined> {
    throwIfCancelled(ctx);
    const volume = await stat(this.#volume.path).catch(() => undefined);
    if (!volume?.isBlockDevice()) return undefined;
    const directory = `/sys/dev/block/${majorMinor(volume.rdev)}/holders`;
    for (const holder of await readdir(directory).catch(() => [])) {
      const read = (file: string): Promise<string> =>
        // Gone meanwhile.
        readFile(`${directory}/${holder}/${file}`, "utf8").then(
          (text) => text.trim(),
          () => "",
        );
      if ((await read("dm/name")) !== this.name) continue;
      // As cryptsetup writes it.
      const wanted = `CRYPT-LUKS1-${this.#volume.luksUuid.replaceAll("-", "")}-${this.name}`;
      if ((await read("dm/uuid")) !== wanted) throw this.#isAnothers();
      return BigInt((await read("size")) || 0) * SECTOR;
    }
    return undefined;
  }

  /**
   * Opens it, or gives one that is open this size. Idempotent.
   * @param unlock asked only where it has to be opened; what it gives is disposed
   * @throws `DiskInUse`: something else is open under its name, or has the volume
   */
  async open(bytes: bigint, unlock: () => Promise<UnlockedDisk>, ctx: OpContext): Promise<void> {
    if ((await this.bytes(ctx)) === undefined) {
      using unlocked = await unlock();
      const args = ["open", "--type=luks1", "--batch-mode", "--key-file=-", this.#volume.path, this.name];
      await this.#run(args, ctx, unlocked.passphrase);
      await this.#tellOpened(ctx);
    }
    // A LUKS1 header has no size: at first it shows whole extents.
    if ((await this.bytes(ctx)) !== bytes) await this.resize(bytes, ctx);
  }

  /** Also while it is in use. Idempotent. */
  async resize(bytes: bigint, ctx: OpContext): Promise<void> {
    await this.#run(["resize", `--size=${bytes / SECTOR}`, this.name], ctx);
    const shown = await this.bytes(ctx);
    if (shown === bytes) return;
    throw new LuksmithError(
      "DiskNotProven",
      `${this.path} shows ${shown ?? 0n} bytes of ${this.#volume.label}, which has ${bytes}; close it: "cryptsetup close ${this.name}"`,
      { details: { path: this.path } },
    );
  }

  /** What has it open, for people. */
  async holders(ctx: OpContext): Promise<readonly string[]> {
    const args = ["info", "--columns", "--noheadings", "--options", "open", this.name];
    const timeoutMs = this.#timeoutMs;
    const { stdout } = await this.#commands.run(
      { file: "dmsetup", args, timeoutMs, okExitCodes: [0, 1] },
      ctx,
    );
    if (Number(stdout.trim()) === 0) return [];
    const found = await volumeHolders(this.path);
    return found.length > 0 ? found : [`what has ${this.path} open`];
  }

  /** Idempotent. @throws `DiskInUse` */
  async close(ctx: OpContext): Promise<void> {
    if ((await this.bytes(ctx)) === undefined) return;
    await this.#run(["close", this.name], ctx);
    await this.#volume.told(false, ctx);
  }

  /** What cannot be told of is not open. */
  async #tellOpened(ctx: OpContext): Promise<void> {
    try {
      await this.#volume.told(true, ctx);
    } catch (error) {
      await this.#run(["close", this.name], ctx);
      throw error;
    }
  }

  #isAnothers(): LuksmithError {
    return new LuksmithError(
      "DiskReplaced",
      `${this.path} is open on the volume of ${this.#volume.label}, and was not opened by its LUKS header; somebody else has made it, nothing was touched`,
      { details: { path: this.path } },
    );
  }

  async #run(args: readonly string[], ctx: OpContext, stdin?: Passphrase): Promise<void> {
    const timeoutMs = this.#timeoutMs;
    const command = {
      file: "cryptsetup",
      args,
      timeoutMs,
      okExitCodes: args[0] === "close" ? [0, NOT_THERE] : [0],
    };
    try {
      await this.#commands.run(stdin ? { ...command, stdin } : command, ctx);
    } catch (error) {
      if (!isLuksmithError(error) || !/in use|busy|already (?:exists|mapped)/iu.test(error.message))
        throw error;
      throw new LuksmithError(
        "DiskInUse",
        `${this.path} of ${this.#volume.label} cannot be ${args[0] === "close" ? "closed" : "opened"}, because it, or its name, is in use: ${error.message}`,
        { cause: error, details: { path: this.path } },
      );
    }
  }
}
