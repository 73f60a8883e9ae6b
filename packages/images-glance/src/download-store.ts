import { type BigIntStats, constants, type Stats } from "node:fs";
import { type FileHandle, link, lstat, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type Download,
  type DownloadKept,
  errnoOf,
  ExclusiveLock,
  hashFile,
  type ImageDownloads,
  type OpContext,
  removeName,
  SharedLock,
} from "@luksmith/core";
import type { PartFile } from "./part-file.ts";
import { makePrivateDirectory } from "./private-directory.ts";
import { isVouchedFor, noteUse, vouchFor } from "./sidecar.ts";
import { contentKey, type WantedContent } from "./wanted-content.ts";

const ID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}";
const WHOLE = new RegExp(`^${ID}$`);
const PART = new RegExp(`^(${ID})\\.[0-9a-f]{16}\\.part$`);

/** A download that is open. It is not removed before it is disposed, which also closes it. */
export interface OpenDownload extends AsyncDisposable {
  readonly path: string;
  readonly file: FileHandle;
}

/**
 * The directory of downloads: `<image id>` with `<image id>.json`, which vouches for it, and
 * `<image id>.<content>.part` of one that is not whole. Who downloads, replaces or removes an image's files holds its
 * lock alone; who reads them shares it.
 */
export class DownloadStore implements ImageDownloads {
  readonly directory: string;

  /** @param directory absolute */
  constructor(directory: string) {
    this.directory = directory;
  }

  async prepare(): Promise<void> {
    await makePrivateDirectory(this.directory);
    await mkdir(join(this.directory, "locks"), { recursive: true, mode: 0o700 });
  }

  path(id: string): string {
    return join(this.directory, id);
  }

  partPath(wanted: WantedContent): string {
    return join(this.directory, `${wanted.id}.${contentKey(wanted)}.part`);
  }

  /** Waits until nobody reads or writes the image's files. */
  lock(id: string, ctx: OpContext): Promise<ExclusiveLock> {
    return ExclusiveLock.acquire(this.#lockPath(id), ctx);
  }

  /** @returns undefined: it is not there, or not vouched for */
  async open(wanted: WantedContent, ctx: OpContext): Promise<OpenDownload | undefined> {
    const path = this.path(wanted.id);
    if (!(await this.isThere(wanted))) return undefined;
    using stack = new DisposableStack();
    stack.use(await SharedLock.acquire(this.#lockPath(wanted.id), ctx));
    const found = await openWhole(path);
    if (!found) return undefined;
    const { file, stat } = found;
    try {
      if (!stat.isFile() || !(await isVouchedFor(`${path}.json`, stat, wanted))) {
        await file.close();
        return undefined;
      }
      await noteUse(`${path}.json`);
    } catch (error) {
      await file.close();
      throw error;
    }
    const lease = stack.move();
    return {
      path,
      file,
      [Symbol.asyncDispose]: async () => {
        lease.dispose();
        await file.close();
      },
    };
  }

  /** A look without a lock: whoever is told true looks again under one. */
  async isThere(wanted: WantedContent): Promise<boolean> {
    const path = this.path(wanted.id);
    const stat = await bigStatOf(path);
    return stat !== undefined && stat.isFile() && (await isVouchedFor(`${path}.json`, stat, wanted));
  }

  /**
   * For the lock's holder: looks whether the file that is there has the right bytes though nobody vouches for it (a
   * process was killed just before, a backup put it back), and vouches for it then. Another file goes.
   */
  async reclaim(wanted: WantedContent, ctx: OpContext): Promise<boolean> {
    const path = this.path(wanted.id);
    const found = await openWhole(path);
    if (!found) {
      await removeName(path);
      return false;
    }
    try {
      const { file, stat } = found;
      if (await isVouchedFor(`${path}.json`, stat, wanted)) return true;
      // Its maker may have died before it took the part's name away, which changes the file's ctime.
      await this.sweepParts(wanted.id);
      if (stat.isFile() && stat.size === wanted.size && wanted.digest !== undefined) {
        const step = `check image ${wanted.id}`;
        const digest = await hashFile({ fd: file.fd, size: stat.size, step }, wanted.algorithm, ctx);
        if (digest === wanted.digest) {
          await this.#vouch(file, wanted, digest);
          return true;
        }
      }
      ctx.log.warn({ image: wanted.id, path }, "a downloaded image was changed; it is downloaded again");
    } finally {
      await found.file.close();
    }
    await this.#removeWhole(wanted.id);
    return false;
  }

  /**
   * For the lock's holder: gives a verified part its name and vouches for it. Durable when it resolves; if it fails,
   * the name is taken away again.
   */
  async publish(part: PartFile, wanted: WantedContent, digest: string): Promise<void> {
    await part.handle.sync();
    await link(part.path, this.path(wanted.id));
    try {
      await part.remove();
      await this.#vouch(part.handle, wanted, digest);
    } catch (error) {
      // A disk may be full to the last byte.
      await this.#removeWhole(wanted.id);
      throw error;
    }
  }

  /** For the lock's holder: removes parts of the image but the one that may be gone on with. */
  async sweepParts(id: string, keep?: string): Promise<readonly string[]> {
    const paths = (await this.#names())
      .filter((name) => PART.exec(name)?.[1] === id)
      .map((name) => join(this.directory, name))
      .filter((path) => path !== keep);
    for (const path of paths) await removeName(path);
    return paths;
  }

  async list(): Promise<readonly Download[]> {
    const downloads: Download[] = [];
    for (const name of (await this.#names()).toSorted()) {
      const imageId = WHOLE.test(name) ? name : PART.exec(name)?.[1];
      if (imageId === undefined) continue;
      const path = join(this.directory, name);
      const stat = await statOf(path);
      if (!stat || stat.isDirectory()) continue;
      const whole = name === imageId;
      const used = (whole ? await statOf(`${path}.json`) : undefined) ?? stat;
      const [bytes, allocatedBytes] = [stat.size, stat.blocks * 512];
      downloads.push({ imageId, path, bytes, allocatedBytes, lastUsed: used.mtime.toISOString(), whole });
    }
    return downloads;
  }

  async remove({ imageId, whole, path }: Download): Promise<DownloadKept | undefined> {
    using lock = ExclusiveLock.try(this.#lockPath(imageId));
    if (!lock) return "in use";
    if (whole) await this.#removeWhole(imageId);
    else await removeName(path);
    return undefined;
  }

  async #vouch(file: FileHandle, wanted: WantedContent, digest: string): Promise<void> {
    const stat = await file.stat({ bigint: true });
    await vouchFor(`${this.path(wanted.id)}.json`, stat, wanted.algorithm, digest);
  }

  async #removeWhole(id: string): Promise<void> {
    await removeName(this.path(id));
    await removeName(`${this.path(id)}.json`);
  }

  #lockPath(id: string): string {
    return join(this.directory, "locks", `${id}.sqlite`);
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.directory);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  }
}

async function openWhole(path: string): Promise<{ file: FileHandle; stat: BigIntStats } | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    return { file, stat: await file.stat({ bigint: true }) };
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ELOOP") return undefined;
    throw error;
  }
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function bigStatOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
