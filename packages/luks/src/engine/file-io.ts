import { read, write } from "node:fs";

/**
 * Reads until `target` is full or the file ends; returns the bytes read.
 *
 * @param position - bytes from the start of the file
 */
export async function readFully(fd: number, target: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const got = await readOnce(fd, target.subarray(done), position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** Writes all of `source`, however many calls it takes. */
export async function writeFully(fd: number, source: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < source.length;) {
    done += await writeOnce(fd, source.subarray(done), position + done);
  }
}

function readOnce(fd: number, target: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(fd, target, 0, target.length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

function writeOnce(fd: number, source: Uint8Array, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, source, 0, source.length, position, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
