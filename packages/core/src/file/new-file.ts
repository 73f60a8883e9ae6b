import { randomUUID } from "node:crypto";
import { fstatSync } from "node:fs";
import { type FileHandle, link, mkdir, open, rmdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { DiskIdentity } from "../image/image-disk.ts";
import { sameIdentity } from "../image/same-identity.ts";
import type { Rollback, UndoRecord } from "../image/rollback.ts";
import { fileIdentity, identityOf, nameExists } from "./file-identity.ts";
import { openDirectory, syncDirectory } from "./sync-directory.ts";

/** A file being made under a name that nobody else uses. Disposal closes it. */
export interface NewFile extends AsyncDisposable {
  readonly handle: FileHandle;
  /** The random name it has until it is published. */
  readonly temporary: string;
  /**
   * Gives it its real name, never over another file, and syncs both. Durable when it resolves.
   * @param named called when it has its name, before it is durable; must not throw
   * @throws `DiskExists`
   */
  publish(named?: () => void): Promise<DiskIdentity>;
}

/*
 * Names are looked at synchronously: that takes microseconds, and handing it to a thread and back takes longer than all of it.
 * What may wait for storage does not block: also to make a name waits where a file system stands still.
 */

/**
 * Begins a file. Until `publish` it has a random name beside `path`; a crash leaves only what the deferred undo
 * (`undoNewFile`) recognises by that name, and later by its inode.
 * @param path absolute
 * @param options `makeDirectories`: missing directories above it are made, and taken back again with it
 */
export async function newFile(
  path: string,
  undo: Rollback,
  options: { readonly makeDirectories: boolean },
): Promise<NewFile> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomUUID()}.partial`);
  const directories = options.makeDirectories ? missingDirectories(directory) : [];
  await undo.defer({ temporary, directories });
  try {
    if (directories.length > 0) await mkdir(directory, { recursive: true, mode: 0o755 });
    const handle = await open(temporary, "wx+", 0o600);
    return {
      handle,
      temporary,
      publish: (named) => publish(handle, temporary, path, directories, undo, named),
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    throw ioError(error, `making ${path}`, { path });
  }
}

/** `directory` and those above it that do not exist, innermost first. */
function missingDirectories(directory: string): readonly string[] {
  const missing: string[] = [];
  for (let at = directory; !nameExists(at); at = dirname(at)) missing.push(at);
  return missing;
}

async function publish(
  handle: FileHandle,
  temporary: string,
  path: string,
  madeDirectories: readonly string[],
  undo: Rollback,
  named?: () => void,
): Promise<DiskIdentity> {
  using closing = new DisposableStack();
  try {
    const directories = [path, ...madeDirectories].map((name) => closing.use(openDirectory(dirname(name))));
    const identity = identityOf(fstatSync(handle.fd, { bigint: true }));
    await undo.defer({ path, identity });
    await link(temporary, path);
    await unlink(temporary);
    named?.();
    // Names before content: a journaling file system then has both durable after one wait, and the directories' syncs
    // find nothing left to do. A power cut before that leaves what the journal knows how to take back.
    await handle.datasync();
    await Promise.all(directories.map((directory) => directory.sync()));
    return identity;
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw ioError(error, `making ${path}`, { path });
    throw new LuksmithError(
      "DiskExists",
      `${path} appeared while it was being made and was not touched; move it away`,
      {
        cause: error,
        details: { path },
      },
    );
  }
}

/** Takes back what `newFile` recorded; idempotent; never touches a file that is not the recorded one. */
export async function undoNewFile(record: UndoRecord): Promise<void> {
  const { temporary, directories, path, identity } = record;
  if (typeof path === "string") {
    const found = await fileIdentity(path);
    if (found && sameIdentity(found, identity as DiskIdentity)) await removeName(path);
  }
  if (typeof temporary === "string") await removeName(temporary);
  if (!Array.isArray(directories)) return;
  for (const directory of directories) {
    if (typeof directory === "string") await removeEmptyDirectory(directory);
  }
}

/** Removes one name, durably; one that is gone is success. */
export async function removeName(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return;
    throw ioError(error, `removing ${path}`, { path });
  }
  await syncDirectory(dirname(path));
}

/** Removes a directory if nothing is in it. */
export async function removeEmptyDirectory(path: string): Promise<void> {
  try {
    await rmdir(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTEMPTY" || errno === "EEXIST" || errno === "ENOTDIR") return;
    throw ioError(error, `removing the directory ${path}`, { path });
  }
}
