import { constants } from "node:fs";
import { type FileHandle, open, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { listDirectory } from "./base-file.ts";

/** docs/interop/qcow2.txt: the name's offset at 8, its length at 16. */
const HEADER_BYTES = 20;
const MAX_NAME_BYTES = 1023;

/**
 * Which files in the instances' directories stand on which, by what their headers name: also the disks of Nova and of
 * agents with another state, and those being made, which no inventory of ours has. A file that cannot be read is an
 * error: nobody could say what it needs.
 * @returns overlays by the path of what they stand on
 */
export async function backingFiles(instancesPath: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = new Map<string, string[]>();
  for (const entry of await listDirectory(instancesPath)) {
    if (entry === "_base" || entry === "locks") continue;
    const directory = join(instancesPath, entry);
    for (const path of await filesIn(directory)) {
      const backing = await backingFileOf(path);
      if (backing !== undefined) users.set(backing, [...(users.get(backing) ?? []), path]);
    }
  }
  return users;
}

async function filesIn(directory: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    // A disk may be a link to where it really is.
    return entries
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map(({ name }) => join(directory, name));
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR" || errnoOf(error) === "ENOENT") return [];
    throw ioError(error, `looking which disks in ${directory} stand on bases`);
  }
}

/** Absolute; undefined: it stands on nothing, or is gone by now. */
async function backingFileOf(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const header = await bytes(file, 0, HEADER_BYTES);
      if (header.length < HEADER_BYTES || header.toString("latin1", 0, 4) !== "QFI\u{FB}") return undefined;
      const length = header.readUInt32BE(16);
      if (length === 0 || length > MAX_NAME_BYTES) return undefined;
      const name = await bytes(file, Number(header.readBigUInt64BE(8)), length);
      return resolve(dirname(path), name.toString("utf8"));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENXIO") return undefined;
    throw ioError(error, `looking what ${path} stands on`);
  }
}

async function bytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}
