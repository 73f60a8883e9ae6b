import { randomUUID } from "node:crypto";
import { chmod, type FileHandle, link, mkdir, open, readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../errors/io-error.ts";
import { ExclusiveLock } from "../../file/exclusive-lock.ts";
import { fileIdentity } from "../../file/file-identity.ts";
import { removeName } from "../../file/new-file.ts";
import { syncDirectory } from "../../file/sync-directory.ts";
import type { OpContext } from "../../image/op-context.ts";

/** Nova's mode: QEMU, which runs as another user, reads bases. */
const MODE = 0o644;

/**
 * Makes a base once, however many ask at once, in this process or another: under a lock of its own, into a part file
 * that becomes the base only when it is whole and synced. Parts of makers that died are swept first.
 * @param directory `<instances_path>/_base`
 * @returns whether this call made it
 */
export async function makeBaseOnce(
  directory: string,
  name: string,
  fill: (part: { readonly path: string; readonly handle: FileHandle }) => Promise<void>,
  ctx: OpContext,
): Promise<boolean> {
  const path = join(directory, name);
  if (await fileIdentity(path)) return false;
  const locks = join(directory, "..", "locks");
  await mkdir(directory, { recursive: true, mode: 0o755 });
  await mkdir(locks, { recursive: true, mode: 0o755 });
  using _lock = await ExclusiveLock.acquire(join(locks, `luksmith-${name}.sqlite`), ctx);
  if (await fileIdentity(path)) return false;
  await sweepParts(directory, name);
  const part = join(directory, `.${name}.${randomUUID()}.part`);
  const handle = await open(part, "wx+", 0o600);
  try {
    await fill({ path: part, handle });
    await handle.sync();
    await chmod(part, MODE);
    await link(part, path);
    await syncDirectory(directory);
    return true;
  } finally {
    await handle.close();
    await unlink(part);
  }
}

/** Only the holder of a base's lock has parts of it, so any that are there are left over. */
async function sweepParts(directory: string, name: string): Promise<void> {
  for (const entry of await readdir(directory)) {
    if (entry.startsWith(`.${name}.`) && entry.endsWith(".part")) await removeName(join(directory, entry));
  }
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
