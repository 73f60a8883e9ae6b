import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const CHUNK = 1024 * 1024;

/** Whether the bytes of a file hold `needle` anywhere, also across the chunks it is read in. */
export async function rawBytesContain(path: string, needle: string | Uint8Array): Promise<boolean> {
  const wanted = Buffer.from(typeof needle === "string" ? Buffer.from(needle, "latin1") : needle);
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(CHUNK + wanted.length);
    let kept = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, kept, CHUNK, null);
      if (bytesRead === 0) return false;
      const filled = kept + bytesRead;
      if (buffer.subarray(0, filled).includes(wanted)) return true;
      kept = Math.min(wanted.length - 1, filled);
      buffer.copy(buffer, 0, filled - kept, filled);
    }
  } finally {
    await file.close();
  }
}

/** SHA-256 of a file, or of its part from `offset`. */
export async function digestOf(
  path: string,
  range: { offset?: number; length?: number } = {},
): Promise<string> {
  const { offset = 0, length = Infinity } = range;
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(CHUNK);
    for (let done = 0; done < length;) {
      const { bytesRead } = await file.read(buffer, 0, Math.min(CHUNK, length - done), offset + done);
      if (bytesRead === 0) break;
      hash.update(buffer.subarray(0, bytesRead));
      done += bytesRead;
    }
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

/** Whether a part of a file is zeros only. */
export async function isZero(path: string, offset: number, length: number): Promise<boolean> {
  const file = await open(path, "r");
  try {
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return bytesRead === length && buffer.every((byte) => byte === 0);
  } finally {
    await file.close();
  }
}
