import { constants } from "node:fs";
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

/**
 * Looks at bases before something is made to stand on them. A base is read as what it was made to be, never as what it
 * looks like now, but one that looks like something else was changed, or was made to trick a tool that guesses.
 */
export class BaseChecker {
  /** Bases whose bytes were inspected, with what changes when a byte does. */
  readonly #inspected = new Map<string, string>();

  /**
   * Checks a base, and notes its use in its modification time.
   * @returns false: it is gone
   * @throws `ImageUnacceptable`: it is there, but not what is expected
   */
  async check(expected: ExpectedBase, ctx: OpContext): Promise<boolean> {
    const { path } = expected;
    const file = await openBaseFile(path);
    if (!file) {
      this.#inspected.delete(path);
      return false;
    }
    try {
      const stat = await file.stat({ bigint: true });
      if (!stat.isFile()) throw refused(path, NOT_A_FILE);
      const { format, virtualSize } = expected;
      const seen = [stat.ino, stat.birthtimeNs, stat.size, stat.ctimeNs, format, virtualSize].join();
      if (this.#inspected.get(path) !== seen) {
        const fault = await faultOf(file, stat.size, expected, ctx);
        if (fault !== undefined) throw refused(path, fault);
        this.#inspected.set(path, seen);
      }
      if (Date.now() - Number(stat.mtimeMs) > TOUCH_AFTER_MS) await touch(file);
      return true;
    } finally {
      await file.close();
    }
  }
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

/** What a file in the cache is, by its first bytes; undefined: there is none. Links are not followed. */
export async function storedFormat(path: string): Promise<"raw" | "qcow2" | undefined> {
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
async function touch(file: FileHandle): Promise<void> {
  const now = new Date();
  await file.utimes(now, now).catch((error: unknown) => {
    if (!["EACCES", "EPERM", "EROFS"].includes(errnoOf(error) ?? "")) throw error;
  });
}

function refused(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "ImageUnacceptable",
    `the cached base ${path} cannot be used: ${why}; if no disk stands on it, "luksmith cache prune --all-unused" removes it and the next create makes it anew`,
    { details: { path }, ...(cause === undefined ? {} : { cause }) },
  );
}
