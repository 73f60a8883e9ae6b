import {
  type CommandRunner,
  isLuksmithError,
  LuksmithError,
  type OpContext,
  type Passphrase,
  throwIfCancelled,
} from "@luksmith/core";
import { findMapping, type FoundMapping } from "./find-mapping.ts";
import type { PlainOptions } from "./plain-options.ts";

/** What Nova calls the mapping of a logical volume. */
export const SUFFIX = "-dmcrypt";

/** cryptsetup's exit code for what is not there. */
const NOT_THERE = 4;
const SECTOR = 512n;

/** What the kernel says of a mapping of dm-crypt. */
export interface MappingState extends FoundMapping {
  readonly cipher: string;
}

/** A device of dm-crypt's plain mode, by its name in /dev/mapper. */
export class DmMapping {
  readonly name: string;
  readonly #commands: CommandRunner;
  readonly #timeoutMs: number;
  readonly #told: (open: boolean, ctx: OpContext) => Promise<void>;

  /** @param told whenever it was opened or closed; what that throws keeps it from being opened */
  constructor(
    name: string,
    commands: CommandRunner,
    timeoutMs: number,
    told: (open: boolean, ctx: OpContext) => Promise<void>,
  ) {
    this.name = name;
    this.#commands = commands;
    this.#timeoutMs = timeoutMs;
    this.#told = told;
  }

  get path(): string {
    return `/dev/mapper/${this.name}`;
  }

  /** Undefined: it is not open. Cheap. */
  async find(ctx: OpContext): Promise<FoundMapping | undefined> {
    throwIfCancelled(ctx);
    return await findMapping(this.name);
  }

  /** As `find`, and that it is one of dm-crypt. @throws `DiskReplaced` */
  async state(ctx: OpContext): Promise<MappingState | undefined> {
    if (!(await this.find(ctx))) return undefined;
    // Without --showkeys the kernel's key is printed as zeros.
    const { exitCode, stdout } = await this.#run("dmsetup", ["table", this.name], ctx, [0, 1]);
    if (exitCode !== 0) return undefined;
    const state = parseTable(stdout);
    if (state) return state;
    throw new LuksmithError(
      "DiskReplaced",
      `${this.path} is no mapping of dm-crypt; somebody else has made it, nothing was touched`,
      { details: { path: this.path } },
    );
  }

  /** How many times it is open, by guests, mounts, or other mappings. */
  async openCount(ctx: OpContext): Promise<number> {
    const args = ["info", "--columns", "--noheadings", "-o", "open", this.name];
    const { stdout } = await this.#run("dmsetup", args, ctx);
    return Number(stdout.trim());
  }

  /**
   * As Nova does it, with the hash pinned: what cryptsetup takes without it depends on its version.
   * @param device a path
   * @param bytes that it shows
   */
  async open(
    device: string,
    bytes: bigint,
    { cipher, key_size, hash }: PlainOptions,
    passphrase: Passphrase,
    ctx: OpContext,
  ): Promise<void> {
    const args = [
      "create",
      this.name,
      device,
      `--cipher=${cipher}`,
      `--key-size=${key_size}`,
      `--hash=${hash}`,
      `--size=${bytes / SECTOR}`,
      "--key-file=-",
    ];
    try {
      await this.#commands.run(
        { file: "cryptsetup", args, stdin: passphrase, timeoutMs: this.#timeoutMs },
        ctx,
      );
    } catch (error) {
      if (!isLuksmithError(error) || !/in use|already (?:exists|mapped)/iu.test(error.message)) throw error;
      throw new LuksmithError(
        "DiskInUse",
        `${device} cannot be opened as ${this.path}, because something else has it open: ${error.message}`,
        { cause: error, details: { path: device } },
      );
    }
    try {
      await this.#told(true, ctx);
    } catch (error) {
      // What cannot be told of is not open.
      await this.#run("cryptsetup", ["remove", this.name], ctx, [0, NOT_THERE]);
      throw error;
    }
  }

  /** Idempotent. @throws `DiskInUse` */
  async close(ctx: OpContext): Promise<void> {
    const { exitCode, stderr } = await this.#run("cryptsetup", ["remove", this.name], ctx, [0, NOT_THERE, 5]);
    if (exitCode === 0) await this.#told(false, ctx);
    if (exitCode === 0 || exitCode === NOT_THERE) return;
    throw new LuksmithError(
      "DiskInUse",
      `${this.path} cannot be closed: ${stderr.trim() || "it is in use"}; stop what uses it, then try again`,
      { details: { path: this.path } },
    );
  }

  #run(file: string, args: readonly string[], ctx: OpContext, okExitCodes: readonly number[] = [0]) {
    return this.#commands.run({ file, args, okExitCodes, timeoutMs: this.#timeoutMs }, ctx);
  }
}

/** From `0 2097152 crypt aes-xts-plain64 000…000 0 253:0 0`. */
export function parseTable(table: string): MappingState | undefined {
  const [line = "", ...more] = table.trim().split("\n");
  const [start, sectors, target, cipher, , , device, offset] = line.split(/\s+/u);
  if (more.length > 0 || target !== "crypt" || start !== "0" || offset !== "0") return undefined;
  if (!sectors || !cipher || !device || !/^\d+$/u.test(sectors)) return undefined;
  return { cipher, bytes: BigInt(sectors) * SECTOR, device };
}
