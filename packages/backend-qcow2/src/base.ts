import { constants, lstatSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  type BackingSource,
  type BaseImage,
  identityOf,
  type ImageDisk,
  isLuksmithError,
  LuksmithError,
  openExisting,
  parseHeader,
  sameIdentity,
} from "@luksmith/core";
import { Qcow2File } from "@luksmith/qcow2";
import { driverOf } from "./qemu-options.ts";

/** What a base is said to be. */
export type NamedBase = Pick<BackingSource, "file" | "format" | "secretId">;

/** A base as it is now. */
export interface FoundBase {
  readonly backing: BackingSource;
  /** Of a qcow2 base. */
  readonly clusterBits: number | undefined;
}

/**
 * Looks at a base before a disk is put, or goes on standing, on it.
 * @param label of the disk, for messages
 * @throws `DiskNotFound`; `DiskReplaced` when it is no base of that format, or cannot be one
 */
export async function inspectBase(base: NamedBase, label: string): Promise<FoundBase> {
  const { file, format, secretId } = base;
  const handle = await openBase(file, label);
  try {
    const stat = await handle.stat({ bigint: true });
    if (!stat.isFile()) throw changed(file, label, "is not a regular file");
    const named = { file, format, ...(secretId === undefined ? {} : { secretId }) };
    const identity = identityOf(stat);
    if (format === "raw") {
      const payload = secretId === undefined ? 0n : await payloadOffset(handle);
      const virtualSize = Number(stat.size - payload);
      return { backing: { ...named, virtualSize, identity }, clusterBits: undefined };
    }
    const { header } = await Qcow2File.open(handle);
    if (header.backing) throw changed(file, label, `stands on another file (${header.backing.file})`);
    const encrypted = header.encryption === "luks";
    if (encrypted !== (secretId !== undefined)) {
      throw changed(file, label, encrypted ? "is encrypted" : "is not encrypted");
    }
    const virtualSize = Number(header.virtualSize);
    return { backing: { ...named, virtualSize, identity }, clusterBits: header.clusterBits };
  } catch (error) {
    if (!isLuksmithError(error) || !/^(?:Qcow2|Luks)/.test(error.code)) throw error;
    throw changed(file, label, `is no ${driverOf(base)} image that can be a base: ${error.message}`, error);
  } finally {
    await handle.close();
  }
}

/**
 * Looks at the base of a new disk. One that was there already may be damaged, or of another image.
 * @throws `DiskNotFound`, `DiskReplaced`; `FlavorImageConflict`: what is encrypted would come under a plain disk
 */
export async function inspectNewBase(
  { path, format, virtualSize, encryption }: BaseImage,
  disk: ImageDisk,
  label: string,
): Promise<FoundBase> {
  const details = { base: path, disk: disk.name };
  if (encryption && !disk.encryption) {
    throw new LuksmithError(
      "FlavorImageConflict",
      `${label} would be plain, but its image is encrypted; ask for an encrypted disk`,
      { details },
    );
  }
  const secret = encryption ? { secretId: encryption.secretId } : {};
  const found =
    rawBase(path, format, encryption) ?? (await inspectBase({ file: path, format, ...secret }, label));
  if (BigInt(found.backing.virtualSize) === virtualSize) return found;
  throw new LuksmithError(
    "DiskReplaced",
    `the base ${path} shows ${found.backing.virtualSize} bytes where its image has ${virtualSize}; move it away, the next disk makes it again`,
    { details },
  );
}

/** A plain raw base that the cache has just looked into: its inode says the rest, and takes no thread to read. */
function rawBase(
  file: string,
  format: BaseImage["format"],
  encryption: BaseImage["encryption"],
): FoundBase | undefined {
  if (format !== "raw" || encryption) return undefined;
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (!stat?.isFile()) return undefined;
  const backing = { file, format, virtualSize: Number(stat.size), identity: identityOf(stat) };
  return { backing, clusterBits: undefined };
}

/** Bytes before the payload of a bare LUKS container. */
async function payloadOffset(handle: FileHandle): Promise<bigint> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(4096), 0, 4096, 0);
  return BigInt(parseHeader(buffer.subarray(0, bytesRead)).payloadOffset) * 512n;
}

/**
 * Makes sure that a disk's own header names what was recorded for it.
 * @throws `DiskReplaced`
 */
export function requireNamed(image: Qcow2File, recorded: BackingSource | undefined, label: string): void {
  const { backing } = image;
  if (backing?.file !== recorded?.file || backing?.format !== (recorded && driverOf(recorded))) {
    throw new LuksmithError(
      "DiskReplaced",
      `${label} stands on ${nameOf(backing)} where ${nameOf(recorded)} was recorded: somebody else has rebased it; nothing was touched`,
      { details: { base: backing?.file, recorded: recorded?.file } },
    );
  }
}

/**
 * Makes sure that a disk stands on what was recorded for it, and that this is still there and the same: without it the
 * disk's content is not what the guest wrote.
 * @throws `DiskNotFound`, `DiskReplaced`
 */
export async function requireBase(
  image: Qcow2File,
  recorded: BackingSource | undefined,
  label: string,
): Promise<void> {
  requireNamed(image, recorded, label);
  if (recorded) await requireUnchanged(recorded, label);
}

/** @throws `DiskNotFound`, `DiskReplaced` */
export async function requireUnchanged(recorded: BackingSource, label: string): Promise<void> {
  const { file, virtualSize, identity } = recorded;
  const found = (await inspectBase(recorded, label)).backing;
  if (found.virtualSize !== virtualSize) {
    throw changed(file, label, `shows ${found.virtualSize} bytes where it had ${virtualSize}`);
  }
  if (!sameIdentity(found.identity, identity)) {
    throw changed(file, label, "is another file than the one that the disk was made on");
  }
}

async function openBase(file: string, label: string): Promise<FileHandle> {
  try {
    return await openExisting(file, constants.O_RDONLY);
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== "DiskNotFound") throw error;
    throw new LuksmithError(
      "DiskNotFound",
      `the base ${file} of ${label} is not there; put the very same file back from a backup: nothing else can take its place`,
      { cause: error, details: { base: file } },
    );
  }
}

function changed(file: string, label: string, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "DiskReplaced",
    `the base ${file} of ${label} ${why}; nothing was touched, put the very same file back from a backup`,
    { details: { base: file }, ...(cause === undefined ? {} : { cause }) },
  );
}

function nameOf(backing: { readonly file: string; readonly format?: string } | undefined): string {
  return backing ? `${backing.file} (${backing.format ?? "of no stated format"})` : "no base";
}
