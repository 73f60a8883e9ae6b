import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import type { CopyEnd } from "@luksmith/luks";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { openExisting } from "../file/file-header-store.ts";
import type { DiskSource } from "./image-disk.ts";
import type { UnlockedDisk } from "./unlock.ts";

/** Where the guest's first byte is. */
export interface BytesPlace {
  /** A file or a block device. */
  readonly path: string;
  readonly offset: bigint;
}

/** A disk's bytes, open for a copy. Disposal closes them and wipes the key. */
export interface OpenBytes extends AsyncDisposable {
  readonly end: CopyEnd;
  /** What was written is durable when it resolves. */
  sync(): Promise<void>;
}

/** The file or device of a disk that is in one piece; undefined: its guest's bytes are spread (qcow2), or elsewhere (Ceph). */
export function pathOfSource(source: DiskSource): string | undefined {
  if (source.format !== "raw" || source.type === "network") return undefined;
  return source.type === "file" ? source.file : source.dev;
}

/**
 * Opens a disk's bytes; of a block device so that nobody else can map, mount or use it meanwhile.
 * @param unlocked disposed with what is returned
 * @throws `DiskInUse`, `DiskNotFound`
 */
export async function openBytes(
  { path, offset }: BytesPlace,
  access: "read" | "write",
  unlocked: UnlockedDisk | undefined,
): Promise<OpenBytes> {
  try {
    const file = await openAlone(path, access);
    return {
      end: { fd: file.fd, offset, ...(unlocked ? { volumeKey: unlocked.volumeKey } : {}) },
      sync: () => file.datasync(),
      [Symbol.asyncDispose]: async () => {
        unlocked?.[Symbol.dispose]();
        await file.close();
      },
    };
  } catch (error) {
    unlocked?.[Symbol.dispose]();
    throw error;
  }
}

async function openAlone(path: string, access: "read" | "write"): Promise<FileHandle> {
  const flags = access === "read" ? constants.O_RDONLY : constants.O_RDWR;
  const device = await isBlockDevice(path);
  if (!device) return await openExisting(path, flags);
  try {
    // Device nodes are links in /dev/VG. O_EXCL without O_CREAT claims a block device: open(2).
    return await open(path, flags | constants.O_EXCL);
  } catch (error) {
    if (errnoOf(error) !== "EBUSY") throw ioError(error, `opening ${path}`, { path });
    throw new LuksmithError(
      "DiskInUse",
      `${path} is mapped, mounted or open elsewhere; stop what uses it, then try again`,
      { cause: error, details: { path } },
    );
  }
}

async function isBlockDevice(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isBlockDevice();
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return false;
    throw ioError(error, `looking at ${path}`, { path });
  }
}
