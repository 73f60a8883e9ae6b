import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { HeaderStore } from "../image/header-store.ts";
import type { DiskIdentity } from "../image/image-disk.ts";
import { sameIdentity } from "../image/same-identity.ts";
import { identityOf } from "./file-identity.ts";

/** A LUKS header at a fixed place in a file. */
class FileHeaderStore implements HeaderStore {
  readonly containerBytes: bigint;
  readonly startsAt = 0;
  readonly #file: FileHandle;
  readonly #path: string;

  constructor(file: FileHandle, path: string, containerBytes: bigint) {
    this.#file = file;
    this.#path = path;
    this.containerBytes = containerBytes;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(length);
    try {
      let done = 0;
      while (done < length) {
        const { bytesRead } = await this.#file.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    } catch (error) {
      throw ioError(error, `reading the header of ${this.#path}`);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      let done = 0;
      while (done < bytes.length) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
      }
    } catch (error) {
      throw ioError(error, `writing the header of ${this.#path}`);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#file.datasync();
    } catch (error) {
      throw ioError(error, `syncing ${this.#path}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

/**
 * Opens the header at the beginning of a file for reading and writing, links not followed.
 * @param expected what must be open in the end, whatever has its name by then
 * @throws `DiskNotFound`, `DiskReplaced`, `PermissionDenied`, `IoError`
 */
export async function openFileHeader(path: string, expected?: DiskIdentity): Promise<HeaderStore> {
  const file = await openExisting(path, constants.O_RDWR);
  try {
    const stat = await file.stat({ bigint: true });
    if (expected && !sameIdentity(identityOf(stat), expected)) {
      throw new LuksmithError("DiskReplaced", `${path} was replaced just now; nothing was touched`, {
        details: { path },
      });
    }
    return new FileHeaderStore(file, path, stat.size);
  } catch (error) {
    await file.close();
    throw ioError(error, `looking at ${path}`);
  }
}

/**
 * Opens a disk's file, links not followed.
 * @param flags `O_RDONLY` or `O_RDWR`, with more if wanted
 */
export async function openExisting(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw ioError(error, `opening ${path}`);
    throw new LuksmithError("DiskNotFound", `${path} is not there; restore it, or delete its instance`, {
      cause: error,
      details: { path },
    });
  }
}
