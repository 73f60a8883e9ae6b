import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, link, open, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  errnoOf,
  fileIdentity,
  identityOf,
  ioError,
  LuksmithError,
  lockHolders,
  openExisting,
  removeName,
  sameIdentity,
  syncDirectory,
} from "@luksmith/core";
import { fits, RECORD_BYTES, recordFromBytes, recordOf, recordToBytes } from "./checkpoint-record.ts";
import { clone, namelessFile } from "./clone.ts";
import { type DiskPlace, LEFT, pathOfCheckpoint, pathOfDisk } from "./disk-place.ts";
import { readFully, readLuksHeader } from "./luks-file.ts";
import { writeFully } from "./write-disk.ts";

/*
 * A checkpoint is an encrypted disk's ciphertext as it was, without the header: no key slot is ever in a second file, so it can be
 * read with the disk's header only. Erasing that erases all checkpoints, and a rekey concerns none. It is no disk: it has the volume
 * key of its disk, and would be a second disk with the same key if it could be opened by itself.
 */

export interface Checkpoint {
  readonly name: string;
  readonly createdAt: string;
  /** Of the file; most of it is shared. */
  readonly bytes: bigint;
  /** Whether it is of the disk as it is now, not of one that was there before. */
  readonly fits: boolean;
}

const SECTOR = 512;

/**
 * Notes the disk's content as it is now. Durable when it resolves.
 * @throws `DiskNotFound`, `DiskInUse`, `TargetExists`, `UnsupportedOperation` (a plain disk), `REFLINK_MISSING`
 */
export async function takeCheckpoint(place: DiskPlace, name: string): Promise<void> {
  const path = pathOfDisk(place);
  const target = pathOfCheckpoint(path, name);
  await using disk = await openExisting(path, constants.O_RDONLY);
  await requireIdle(path);
  const header = await readLuksHeader(disk, path);
  // Without a name until the header is out of it: whatever happens, no file is left that could be opened.
  await using copy = await namelessFile(dirname(path));
  await clone(disk, copy, dirname(path));
  const area = new Uint8Array(header.payloadOffset * SECTOR);
  area.set(recordToBytes(recordOf(header)));
  await writeFully(copy, area, 0);
  await giveName(copy, target, async (temporary) => {
    await link(temporary, target);
    await removeName(temporary);
  });
}

/**
 * Gives the disk its content of then back, with the header and the size of now: what was added since reads as noise. A
 * crash leaves the one or the other.
 * @throws `DiskNotFound`, `DiskInUse`, `DiskReplaced` (of another disk), `ImageNotFound`, `REFLINK_MISSING`
 */
export async function rollBack(place: DiskPlace, name: string): Promise<void> {
  const path = pathOfDisk(place);
  await using disk = await openExisting(path, constants.O_RDONLY);
  const stat = await disk.stat({ bigint: true });
  const header = await readLuksHeader(disk, path);
  await using checkpoint = await openCheckpoint(pathOfCheckpoint(path, name));
  const record = recordFromBytes(await readFully(checkpoint, RECORD_BYTES), pathOfCheckpoint(path, name));
  if (!fits(record, header)) {
    throw new LuksmithError(
      "DiskReplaced",
      `checkpoint ${name} is of a disk that was at ${path} before, with another key; nothing was touched, drop it`,
      { details: { path, checkpoint: name } },
    );
  }
  await requireIdle(path);
  await using copy = await namelessFile(dirname(path));
  await clone(checkpoint, copy, dirname(path));
  await writeFully(copy, await readFully(disk, header.payloadOffset * SECTOR), 0);
  await copy.truncate(Number(stat.size));
  await giveName(copy, path, async (temporary) => {
    await requireIdle(path);
    const found = await fileIdentity(path);
    if (!found || !sameIdentity(found, identityOf(stat))) {
      throw new LuksmithError("DiskReplaced", `${path} was replaced just now; nothing was touched`, {
        details: { path },
      });
    }
    await rename(temporary, path);
  });
}

/** @throws `DiskNotFound` */
export async function listCheckpoints(place: DiskPlace): Promise<readonly Checkpoint[]> {
  const path = pathOfDisk(place);
  await using disk = await openExisting(path, constants.O_RDONLY);
  const header = await readLuksHeader(disk, path);
  const prefix = `${basename(path)}@`;
  const names = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix));
  const found: Checkpoint[] = [];
  for (const file of names) {
    await using checkpoint = await openCheckpoint(join(dirname(path), file));
    const record = recordFromBytes(await readFully(checkpoint, RECORD_BYTES), file);
    const { size: bytes } = await checkpoint.stat({ bigint: true });
    const name = file.slice(prefix.length);
    found.push({ name, createdAt: record.createdAt, bytes, fits: fits(record, header) });
  }
  return found.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt));
}

/** Idempotent: one that is gone is success. The disk need not be there any more. */
export async function dropCheckpoint(place: DiskPlace, name: string): Promise<void> {
  await removeName(pathOfCheckpoint(pathOfDisk(place), name));
}

async function requireIdle(path: string): Promise<void> {
  const holders = await lockHolders(path);
  if (holders.length === 0) return;
  throw new LuksmithError("DiskInUse", `${path} is in use by ${holders.join(", ")}; stop the guest first`, {
    details: { path, holders },
  });
}

async function openCheckpoint(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw ioError(error, `opening ${path}`, { path });
    throw new LuksmithError("ImageNotFound", `there is no checkpoint ${path}; list shows those there are`, {
      cause: error,
      details: { path },
    });
  }
}

/**
 * Gives what a nameless file holds a name beside `target`, durably, and lets `place` bring it there.
 * Node cannot link a file without a name, so a clone of it gets one.
 */
async function giveName(
  copy: FileHandle,
  target: string,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(target), `.${basename(target)}.${randomUUID()}${LEFT}`);
  try {
    await using file = await open(temporary, "wx", 0o600);
    await clone(copy, file, dirname(target));
    await file.sync();
    await place(temporary);
    await syncDirectory(dirname(target));
  } catch (error) {
    await removeName(temporary);
    if (errnoOf(error) !== "EEXIST") throw ioError(error, `making ${target}`, { path: target });
    throw new LuksmithError(
      "TargetExists",
      `${target} exists already and was not touched; choose another name`,
      {
        cause: error,
        details: { path: target },
      },
    );
  }
}
