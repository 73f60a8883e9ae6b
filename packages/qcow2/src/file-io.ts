import type { FileHandle } from "node:fs/promises";

/**
 * Reads `length` bytes, fewer only at the file's end.
 *
 * @param offset - bytes from the start of the file
 */
export async function readUpTo(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(target, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return target.subarray(0, done);
}

/** The same, with zeros for what is beyond the file's end. */
export async function readPadded(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await readUpTo(file, offset, length);
  if (bytes.length === length) return bytes;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return padded;
}

/** Writes all of `bytes`, however many calls it takes. */
export async function writeFully(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
