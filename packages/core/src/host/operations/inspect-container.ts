import { constants } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { type Finding, lintHeader, LuksError, type LuksHeader, parseHeader } from "@luksmith/luks";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { fileSource, inspectImage } from "../../images/inspector/index.ts";
import { silentLogger } from "../../log/logger.ts";

/** Bytes read: the header's 592, rounded up to what every device can read. */
const HEADER_BYTES = 4096;
/** Sectors in which the kernel counts a device's size. */
const DEVICE_SECTOR = 512n;

/** What a container's header says, and what is odd about it. */
export interface ContainerReport {
  readonly path: string;
  /** Bytes of the file or device; undefined: cannot tell. */
  readonly containerBytes: bigint | undefined;
  readonly header: LuksHeader;
  readonly findings: readonly Finding[];
}

/**
 * Reads the LUKSv1 header at the start of a file or block device. Needs no configuration and no key.
 * @throws `FileUnreadable`, `PermissionDenied`, and `LuksHeaderInvalid`, `LuksHeaderHostile`, `LuksVersionUnsupported`
 */
export async function inspectContainer(path: string): Promise<ContainerReport> {
  await using file = await openForReading(path);
  const stat = await file.stat({ bigint: true });
  if (!stat.isFile() && !stat.isBlockDevice()) throw unreadable(path, "is neither a file nor a block device");
  const containerBytes = stat.isFile() ? stat.size : await deviceBytes(stat.rdev);
  const start = await readStart(file, path);
  const header = await headerOf(start, file, containerBytes);
  return { path, containerBytes, header, findings: lintHeader(header, containerBytes) };
}

/** @throws what `parseHeader` throws; for an image of another format, saying which */
async function headerOf(
  start: Uint8Array,
  file: FileHandle,
  containerBytes: bigint | undefined,
): Promise<LuksHeader> {
  try {
    return parseHeader(start);
  } catch (error) {
    if (!(error instanceof LuksError) || containerBytes === undefined) throw error;
    const found = await foundFormats(file, containerBytes);
    if (found.length === 0) throw error;
    const { code, message, details } = error;
    const what = `${message}; its bytes say ${found.join(" and ")}, for which "qemu-img info" is the tool`;
    throw new LuksError(code, what, { details: { ...details, found }, cause: error });
  }
}

/** What else the file is; nothing where that is unknown, or the inspection fails on its own. */
async function foundFormats(file: FileHandle, size: bigint): Promise<readonly string[]> {
  const { signal } = new AbortController();
  const ctx = { requestId: "inspect", signal, log: silentLogger };
  const inspection = await inspectImage(fileSource(file, size), ctx).catch(() => undefined);
  const formats = inspection?.matches.map(({ format }) => format) ?? [];
  return formats.filter((format) => format !== "raw" && format !== "luks");
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    // A pipe without a writer must not keep us waiting.
    return await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") throw unreadable(path, "does not exist", error);
    throw ioError(error, `opening ${path}`, { path });
  }
}

async function readStart(file: FileHandle, path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(HEADER_BYTES);
  let done = 0;
  try {
    while (done < buffer.length) {
      const { bytesRead } = await file.read(buffer, done, buffer.length - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
  } catch (error) {
    throw ioError(error, `reading ${path}`, { path });
  }
  return buffer.subarray(0, done);
}

/** `stat` says 0 for devices; the kernel tells under their numbers. */
async function deviceBytes(rdev: bigint): Promise<bigint | undefined> {
  const major = ((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn);
  const minor = (rdev & 0xffn) | ((rdev >> 12n) & ~0xffn);
  const sectors = await readFile(`/sys/dev/block/${major}:${minor}/size`, "utf8").catch(() => undefined);
  return sectors === undefined ? undefined : BigInt(sectors.trim()) * DEVICE_SECTOR;
}

function unreadable(path: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError("FileUnreadable", `${path} ${why}`, {
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}
