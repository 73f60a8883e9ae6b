import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { errnoOf, type OpContext, removeName, throwIfCancelled } from "@luksmith/core";
import type { WantedContent } from "./wanted-content.ts";

/** Bytes that are written at once, and read at once when they are hashed again. */
const BATCH = 1024 * 1024;

/**
 * A download on its way: the bytes that came so far, and their hash. Has one user, who holds the image's lock, and
 * closes it by disposal.
 */
export class PartFile implements AsyncDisposable {
  readonly path: string;
  readonly handle: FileHandle;
  readonly #algorithm: string;
  #hash: Hash;
  #received = 0n;
  #batch: Uint8Array[] = [];
  #batchBytes = 0;
  /** The last batch on its way to the storage: meanwhile the next one arrives and is hashed. */
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, handle: FileHandle, algorithm: string) {
    this.path = path;
    this.handle = handle;
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /**
   * Opens what a killed process left under this name and hashes it again, or begins anew. What is not a file of ours
   * alone is removed.
   */
  static async open(path: string, wanted: WantedContent, ctx: OpContext): Promise<PartFile> {
    const left = await openLeft(path);
    if (left) {
      const part = new PartFile(path, left, wanted.algorithm);
      try {
        if (await part.#resume(wanted, ctx)) return part;
        await left.close();
      } catch (error) {
        await left.close();
        throw error;
      }
      await removeName(path);
    }
    // O_EXCL follows no link, either.
    return new PartFile(path, await open(path, "wx+", 0o600), wanted.algorithm);
  }

  /** Bytes that came, written or not. */
  get received(): bigint {
    return this.#received;
  }

  async append(chunk: Uint8Array): Promise<void> {
    this.#hash.update(chunk);
    this.#batch.push(chunk);
    this.#batchBytes += chunk.length;
    this.#received += BigInt(chunk.length);
    if (this.#batchBytes >= BATCH) await this.#write();
  }

  /** Everything that came is in the file when it resolves. */
  async flush(): Promise<void> {
    await this.#write();
    await this.#writing;
  }

  /** Forgets what came. */
  async restart(): Promise<void> {
    await this.flush();
    await this.handle.truncate(0);
    this.#received = 0n;
    this.#hash = createHash(this.#algorithm);
  }

  /** Of everything that came, in hexadecimal. */
  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  async remove(): Promise<void> {
    await removeName(this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
    await this.handle.close();
  }

  async #write(): Promise<void> {
    const batch = this.#batch;
    if (batch.length === 0) return;
    const position = Number(this.#received) - this.#batchBytes;
    this.#batch = [];
    this.#batchBytes = 0;
    await this.#writing;
    this.#writing = writeAll(this.handle, batch, position);
    // It is awaited before the next one; until then a failure must not count as unhandled.
    this.#writing.catch(() => undefined);
  }

  /** @returns false: it cannot be gone on with */
  async #resume({ size, digest }: WantedContent, ctx: OpContext): Promise<boolean> {
    const stat = await this.handle.stat({ bigint: true });
    const mine = stat.uid === BigInt(process.geteuid?.() ?? 0) && (stat.mode & 0o077n) === 0n;
    // Without a digest nobody could tell that what is there is the beginning of this image.
    if (!stat.isFile() || !mine || stat.nlink !== 1n || stat.size > size || digest === undefined)
      return false;
    this.#hash = await hashSoFar(this.handle, this.#algorithm, ctx);
    this.#received = stat.size;
    return true;
  }
}

/** The hash of a whole file, to be gone on with. */
async function hashSoFar(handle: FileHandle, algorithm: string, ctx: OpContext): Promise<Hash> {
  const hash = createHash(algorithm);
  const buffer = Buffer.allocUnsafe(BATCH / 4);
  for (let at = 0; ;) {
    throwIfCancelled(ctx);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) return hash;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

async function openLeft(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    if (errnoOf(error) !== "ELOOP") throw error;
    await removeName(path);
    return undefined;
  }
}

async function writeAll(handle: FileHandle, batch: readonly Uint8Array[], position: number): Promise<void> {
  const total = batch.reduce((sum, { length }) => sum + length, 0);
  const { bytesWritten } = await handle.writev([...batch], position);
  if (bytesWritten === total) return;
  // A full disk takes some of it; what is left says why.
  const rest = Buffer.concat(batch).subarray(bytesWritten);
  for (let done = 0; done < rest.length;) {
    const written = await handle.write(rest, done, rest.length - done, position + bytesWritten + done);
    if (written.bytesWritten === 0) throw new Error("nothing was written");
    done += written.bytesWritten;
  }
}
