import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { ioError } from "../errors/io-error.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";
import { openExisting } from "./file-header-store.ts";

const CHUNK = 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK);

/**
 * Copies a file's bytes as they are into a new, empty one; what is zero becomes a hole.
 * @throws `DiskNotFound`, `NoSpace`, `Cancelled`
 */
export async function copyFile(from: string, to: FileHandle, step: string, ctx: OpContext): Promise<void> {
  const source = await openExisting(from, constants.O_RDONLY);
  try {
    const { size } = await source.stat();
    const buffer = Buffer.alloc(CHUNK);
    for (let at = 0; at < size;) {
      throwIfCancelled(ctx);
      ctx.progress?.({ step, doneBytes: BigInt(at), totalBytes: BigInt(size) });
      const { bytesRead } = await source.read(buffer, 0, CHUNK, at);
      if (bytesRead === 0) break;
      if (ZEROS.compare(buffer, 0, bytesRead, 0, bytesRead) !== 0) await to.write(buffer, 0, bytesRead, at);
      at += bytesRead;
    }
    await to.truncate(size);
  } catch (error) {
    throw ioError(error, `copying ${from}`, { path: from });
  } finally {
    await source.close();
  }
}
