import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, type HashAlgorithm, removeName, syncDirectory } from "@luksmith/core";
import * as z from "zod";
import type { WantedContent } from "./wanted-content.ts";

const MAX_BYTES = 4096;

/** What stands beside a download: what it is, and the file that was found to be that. */
const Sidecar = z.object({
  size: z.string(),
  algorithm: z.string(),
  digest: z.string(),
  ino: z.string(),
  born: z.string(),
  mtime: z.string(),
  ctime: z.string(),
});
type Sidecar = z.infer<typeof Sidecar>;

/**
 * Whether a file is the one that was found to have this content, unchanged since: any write, also one that keeps size
 * and modification time, changes ctime.
 */
export async function isVouchedFor(path: string, stat: BigIntStats, wanted: WantedContent): Promise<boolean> {
  const sidecar = await read(path);
  if (!sidecar || stat.size !== wanted.size) return false;
  const digest = wanted.digest ?? sidecar.digest;
  const now = sidecarOf(stat, wanted.algorithm, digest);
  return JSON.stringify(Sidecar.parse(now)) === JSON.stringify(sidecar);
}

/** Vouches for a file, durably. */
export async function vouchFor(
  path: string,
  stat: BigIntStats,
  algorithm: HashAlgorithm,
  digest: string,
): Promise<void> {
  const temporary = `${path}.new`;
  await removeName(temporary);
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(JSON.stringify(sidecarOf(stat, algorithm, digest)));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await removeName(temporary);
    throw error;
  }
  await syncDirectory(dirname(path));
}

function sidecarOf(stat: BigIntStats, algorithm: string, digest: string): Sidecar {
  return {
    size: String(stat.size),
    algorithm,
    digest,
    ino: String(stat.ino),
    born: String(stat.birthtimeNs),
    mtime: String(stat.mtimeNs),
    ctime: String(stat.ctimeNs),
  };
}

/** Undefined: there is none that makes sense. */
async function read(path: string): Promise<Sidecar | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_BYTES), 0, MAX_BYTES, 0);
    const json: unknown = JSON.parse(buffer.toString("utf8", 0, bytesRead));
    return Sidecar.safeParse(json).data;
  } catch (error) {
    if (error instanceof SyntaxError || ["ENOENT", "ELOOP"].includes(errnoOf(error) ?? "")) return undefined;
    throw error;
  } finally {
    await file?.close();
  }
}

const TOUCH_AFTER_MS = 1000;

/** Notes in the sidecar's modification time that the download was used; the file's own must stay. */
export async function noteUse(path: string): Promise<void> {
  try {
    const file = await open(path, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      const { mtimeMs } = await file.stat();
      const now = new Date();
      if (now.getTime() - mtimeMs > TOUCH_AFTER_MS) await file.utimes(now, now);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
  }
}
