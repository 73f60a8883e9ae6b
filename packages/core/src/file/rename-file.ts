import { link } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, ioError } from "../errors/io-error.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { DiskIdentity } from "../image/image-disk.ts";
import { sameIdentity } from "../image/same-identity.ts";
import { fileIdentity } from "./file-identity.ts";
import { removeName } from "./new-file.ts";
import { syncDirectory } from "./sync-directory.ts";

/**
 * Gives a file another name in the same file system, never over another file (`rename` would be). Idempotent; durable when
 * it resolves. A crash leaves it under one of the names, or under both.
 * @throws `DiskExists`, `DiskNotFound`, `DiskReplaced`: `from` is not `identity`
 */
export async function renameFile(from: string, to: string, identity: DiskIdentity): Promise<void> {
  const there = await fileIdentity(to);
  if (there && !sameIdentity(there, identity)) throw exists(to);
  const own = await fileIdentity(from);
  if (!there) {
    if (!own) throw missing(from);
    if (!sameIdentity(own, identity)) throw replaced(from);
    await link(from, to).catch((error: unknown) => {
      throw errnoOf(error) === "EEXIST" ? exists(to) : ioError(error, `renaming ${from}`, { path: from });
    });
  }
  await syncDirectory(dirname(to));
  if (own && sameIdentity(own, identity)) await removeName(from);
}

function exists(path: string): LuksmithError {
  return new LuksmithError("DiskExists", `${path} is there already and was not touched; move it away`, {
    details: { path },
  });
}

function missing(path: string): LuksmithError {
  return new LuksmithError("DiskNotFound", `${path} is not there, and cannot get its name; put it back`, {
    details: { path },
  });
}

function replaced(path: string): LuksmithError {
  return new LuksmithError(
    "DiskReplaced",
    `${path} is not the disk that was made there; nothing was touched`,
    {
      details: { path },
    },
  );
}
