import { read } from "node:fs";
import type { FileHandle } from "node:fs/promises";

/** Bytes of known length that can be read anywhere: a file, a device, a decrypted payload. */
export interface ByteSource {
  readonly size: bigint;
  /** @returns `length` bytes from `offset`; fewer only at the end */
  read(offset: bigint, length: number): Promise<Uint8Array>;
}

/** The file stays open and its caller's. */
export function fileSource(file: FileHandle, size: bigint): ByteSource {
  return descriptorSource(file.fd, size);
}

/** The same of a bare descriptor, which must stay open. */
export function descriptorSource(fd: number, size: bigint): ByteSource {
  return {
    size,
    async read(offset, length) {
      const buffer = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const position = offset + BigInt(done);
        const bytesRead = await readOnce(fd, buffer.subarray(done), position);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    },
  };
}

/** Bytes that are in memory already. They are not copied. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  const size = BigInt(bytes.length);
  return {
    size,
    read: async (offset, length) => {
      const start = Number(offset < size ? offset : size);
      return bytes.subarray(start, start + length);
    },
  };
}

function readOnce(fd: number, target: Uint8Array, position: bigint): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, 0, target.length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
