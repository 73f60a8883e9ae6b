import { type BigIntStats, constants, lstatSync, lutimesSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import { checkImage, fileSource, inspectImage } from "../inspector/index.ts";

export interface ExpectedBase {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  readonly virtualSize: bigint;
  /** Bytes of the file, where it is a bare LUKS container. */
  readonly luksBytes?: bigint | undefined;
}

/** Nova's cache goes by the last use in whole seconds; writing it for each of many creates would be waste. */
const TOUCH_AFTER_MS = 1000;
/** Their bytes may stand at the beginning of a raw disk, and nobody reads more into them. */
const RAW: ReadonlySet<string> = new Set(["raw", "iso"]);
const NOT_A_FILE = "it is not a regular file";
const LUKS: ReadonlySet<string> = new Set(["luks"]);

/** What was found out about a base. */
interface Known {
  /** What changes when a byte of it does. */
  stamp: string;
  storedFormat?: "raw" | "qcow2" | undefined;
  /** What its bytes were inspected to be. */
  inspectedAs?: string;
}

/**
 * Looks at bases before something is made to stand on them. A base is read as what it was made to be, never as what it
 * looks like now, but one that looks like something else was changed, or was made to trick a tool that guesses.
 *
 * What is known of a base that has not changed is asked of its inode alone, which takes microseconds; handing it to a
 * thread takes longer.
 */
export class BaseChecker {
  readonly #known = new Map<string, Known>();

  /** What a file in the cache is, by its first bytes; undefined: there is none. Links are not followed. */
  async storedFormat(path: string): Promise<"raw" | "qcow2" | undefined> {
    const stat = lstatOf(path);
    if (!stat) return undefined;
    const known = this.#of(path, stat);
    known.storedFormat ??= await storedFormat(path);
    return known.storedFormat;
  }

  /**
   * Checks a base, and notes its use in its modification time.
   * @returns false: it is gone
   * @throws `ImageUnacceptable`: it is there, but not what is expected
   */
  async check(expected: ExpectedBase, ctx: OpContext): Promise<boolean> {
    const { path, format, virtualSize, luksBytes } = expected;
    const wanted = [format, virtualSize, luksBytes].join();
    const found = lstatOf(path);
    if (found && this.#of(path, found).inspectedAs === wanted) {
      this.#noteUse(path, found);
      return true;
    }
    const file = await openBaseFile(path);
    if (!file) return false;
    try {
      const stat = await file.stat({ bigint: true });
      if (!stat.isFile()) throw refused(path, NOT_A_FILE);
      const fault = await faultOf(file, stat.size, expected, ctx);
      if (fault !== undefined) throw refused(path, fault);
      this.#of(path, stat).inspectedAs = wanted;
      this.#noteUse(path, stat);
      return true;
    } finally {
      await file.close();
    }
  }

  /** What is known of the file that has this inode now. */
  #of(path: string, stat: BigIntStats): Known {
    const known = this.#known.get(path);
    if (known?.stamp === stampOf(stat)) return known;
    const fresh: Known = { stamp: stampOf(stat) };
    this.#known.set(path, fresh);
    return fresh;
  }

  /** Our own touch changes the inode, but nothing that is known. */
  #noteUse(path: string, stat: BigIntStats): void {
    if (Date.now() - Number(stat.mtimeMs) <= TOUCH_AFTER_MS) return;
    const known = this.#of(path, stat);
    touch(path);
    const touched = lstatOf(path);
    if (touched && fileOf(touched) === fileOf(stat)) known.stamp = stampOf(touched);
  }
}

function lstatOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function fileOf({ ino, birthtimeNs, size }: BigIntStats): string {
  return [ino, birthtimeNs, size].join();
}

function stampOf(stat: BigIntStats): string {
  return [fileOf(stat), stat.ctimeNs].join();
}

/**
 * Compares a file's bytes with what it is to be.
 * @returns why it is not that; undefined: it is
 */
export async function faultOf(
  file: FileHandle,
  size: bigint,
  { format, virtualSize, luksBytes }: Omit<ExpectedBase, "path">,
  ctx: OpContext,
): Promise<string | undefined> {
  const bytes = luksBytes ?? virtualSize;
  if (format === "raw" && size !== bytes) return `it has ${size} bytes instead of ${bytes}`;
  const inspection = await inspectImage(fileSource(file, size), ctx);
  if (format === "raw") {
    const expected = luksBytes === undefined ? RAW : LUKS;
    const other = inspection.matches.find((match) => !expected.has(match.format));
    return (
      other && `it is to be ${luksBytes === undefined ? "raw" : "luks"}, but its bytes say ${other.format}`
    );
  }
  try {
    // Snapshots and encryption were accepted or refused when the image came; backing files and the like never are.
    const policy = { subject: "it", allowEncrypted: true, maxSnapshots: Infinity };
    const found = checkImage(inspection, "qcow2", policy).virtualSize;
    return found === virtualSize ? undefined : `it shows ${found} bytes instead of ${virtualSize}`;
  } catch (error) {
    if (isLuksmithError(error)) return error.message;
    throw error;
  }
}

async function storedFormat(path: string): Promise<"raw" | "qcow2" | undefined> {
  const file = await openBaseFile(path);
  if (!file) return undefined;
  try {
    if (!(await file.stat()).isFile()) throw refused(path, NOT_A_FILE);
    const { buffer } = await file.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString("latin1") === "QFI\u{FB}" ? "qcow2" : "raw";
  } catch (error) {
    throw ioError(error, `reading the base ${path}`);
  } finally {
    await file.close();
  }
}

async function openBaseFile(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) === "ELOOP") throw refused(path, "it is a symbolic link", error);
    throw ioError(error, `opening the base ${path}`);
  }
}

/** A base that another user made, Nova say, may be used all the same. */
function touch(path: string): void {
  const now = new Date();
  try {
    lutimesSync(path, now, now);
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS", "ENOENT"].includes(errnoOf(error) ?? "")) throw error;
  }
}

function refused(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "ImageUnacceptable",
    `the cached base ${path} cannot be used: ${why}; if no disk stands on it, "luksmith cache prune --all-unused" removes it and the next create makes it anew`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}
