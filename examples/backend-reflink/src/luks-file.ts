import type { FileHandle } from "node:fs/promises";
import { isLuksmithError, LuksmithError, type LuksHeader, parseHeader } from "@luksmith/core";

const HEADER_BYTES = 4096;

/** Bytes from a file's beginning; fewer only if it ends there. */
export async function readFully(file: FileHandle, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; ;) {
    const { bytesRead } = await file.read(bytes, done, length - done, done);
    done += bytesRead;
    if (bytesRead === 0 || done === length) return bytes.subarray(0, done);
  }
}

/** @throws `UnsupportedOperation` for a disk that is not encrypted */
export async function readLuksHeader(file: FileHandle, path: string): Promise<LuksHeader> {
  try {
    return parseHeader(await readFully(file, HEADER_BYTES));
  } catch (error) {
    if (!isLuksmithError(error)) throw error;
    throw new LuksmithError(
      "UnsupportedOperation",
      `${path} has no LUKS header that can be read (${error.message}): only encrypted disks have checkpoints`,
      { cause: error, details: { path } },
    );
  }
}
