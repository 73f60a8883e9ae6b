import { closeSync, constants, fdatasync, openSync } from "node:fs";
import { writeFully } from "./file-io.ts";

/** What direct I/O aligns to on every common disk, in bytes. */
const ALIGNMENT = 4096;

/** Dirty bytes after which write-back is started, so that the last sync does not wait for everything at once. */
const FLUSH_EVERY = 64 * 1024 * 1024;

/**
 * Writes bulk data past the page cache where that works: a copy is not read again soon, and throttled write-back costs
 * several times the copy's own time. What cannot be written directly (file system, alignment) goes the usual way.
 */
export class BulkTarget {
  readonly #fd: number;
  readonly #directFd: number | undefined;
  #direct: boolean;
  #dirty = 0;
  #flush: Promise<void> | undefined;

  /** @param options - `direct`: whether to try; not for a file that the copy also reads */
  constructor(fd: number, options: { direct: boolean }) {
    this.#fd = fd;
    this.#directFd = options.direct ? openDirect(fd) : undefined;
    this.#direct = this.#directFd !== undefined;
  }

  /** @param position - bytes from the start of the file */
  async write(source: Uint8Array, position: number): Promise<void> {
    const directFd = this.#direct ? this.#directFd : undefined;
    if (directFd !== undefined && position % ALIGNMENT === 0 && source.length % ALIGNMENT === 0) {
      if (await wroteDirectly(directFd, source, position)) return;
      // It stays open: another write may be under way on it.
      this.#direct = false;
    }
    await writeFully(this.#fd, source, position);
    this.#dirty += source.length;
    if (this.#dirty < FLUSH_EVERY || this.#flush !== undefined) return;
    this.#dirty = 0;
    this.#flush = this.#startWriteBack();
    // Its failure is collected by `close`; until then it must not count as unhandled.
    this.#flush.catch(() => undefined);
  }

  /** Waits for write-back that was started; rejects if it failed. Call it once, after the last write. */
  async close(): Promise<void> {
    if (this.#directFd !== undefined) closeSync(this.#directFd);
    await this.#flush;
  }

  async #startWriteBack(): Promise<void> {
    await syncData(this.#fd);
    this.#flush = undefined;
  }
}

function openDirect(fd: number): number | undefined {
  try {
    // Opening it again leaves the caller's own descriptor and its flags alone.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DIRECT);
  } catch {
    return undefined;
  }
}

async function wroteDirectly(fd: number, source: Uint8Array, position: number): Promise<boolean> {
  try {
    await writeFully(fd, source, position);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EINVAL") return false;
    throw error;
  }
}

/** Files that cannot be synced are none of a copy's business; a failed write is. */
function syncData(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fdatasync(fd, (error) => {
      if (error === null || error.code === "EINVAL" || error.code === "EROFS") resolve();
      else reject(error);
    });
  });
}
