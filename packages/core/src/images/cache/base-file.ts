import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../errors/io-error.ts";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import { removeName } from "../../file/new-file.ts";
import { syncDirectory } from "../../file/sync-directory.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import { lockPath, makeLockDirectory } from "./base-lease.ts";
import { baseOfPart, partName } from "./base-name.ts";

/** Nova's mode: QEMU, which runs as another user, reads bases. */
const MODE = 0o644;

/**
 * Makes a base once, however many ask at once, in this process or another: under a lock of its own, into a part file
 * that becomes the base only when it is whole and synced. Parts of makers that died are swept first.
 * @param directory `<instances_path>/_base`
 * @param fill gets the part open, and only so: a tool that outlives us must have no name to make anything under
 * @returns whether this call made it
 */
export async function makeBaseOnce(
  directory: string,
  name: string,
  fill: (part: FileHandle) => Promise<void>,
  ctx: OpContext,
): Promise<boolean> {
  const path = join(directory, name);
  if (namesOf(path) === 1) return false;
  await mkdir(directory, { recursive: true, mode: 0o755 });
  makeLockDirectory(directory);
  using _lock = await ExclusiveLock.acquire(lockPath(directory, name, "maker"), ctx);
  await sweepParts(directory, name);
  if (namesOf(path) > 0) return false;
  throwIfCancelled(ctx);
  const part = join(directory, partName(name, randomUUID()));
  const handle = await open(part, "wx+", 0o600);
  try {
    await fill(handle);
    await handle.chmod(MODE);
    await handle.sync();
    throwIfCancelled(ctx);
    return await publish(part, path);
  } finally {
    await handle.close();
    await removeName(part);
  }
}

/** A base with two has kept its part: its maker died between giving it the one and taking away the other. */
function namesOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.nlink ?? 0;
}

/** @returns false: somebody who does not know our lock, Nova say, was faster */
async function publish(part: string, path: string): Promise<boolean> {
  try {
    await link(part, path);
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
  await syncDirectory(join(path, ".."));
  return true;
}

/** Only the holder of a base's lock has parts of it, so any that are there are left over. */
export async function sweepParts(directory: string, name: string): Promise<readonly string[]> {
  const parts = (await listDirectory(directory)).filter((entry) => baseOfPart(entry) === name);
  const paths = parts.map((entry) => join(directory, entry));
  for (const path of paths) await removeName(path);
  return paths;
}

/** Lists a directory; one that is not there is empty. */
export async function listDirectory(directory: string): Promise<readonly string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return [];
    throw error;
  }
}
