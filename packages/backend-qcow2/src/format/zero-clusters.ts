import { read } from "node:fs";
import { promisify } from "node:util";
import { Qcow2Error } from "./qcow2-error.ts";
import { SECTOR } from "./layout.ts";

const readAt = promisify(read);
const PIECE = 1024 * 1024;
const ZEROS = Buffer.alloc(PIECE);

/** Part of a guest disk, in bytes from its beginning. */
export interface GuestPart {
  start: number;
  length: number;
}

/**
 * Which clusters of a guest disk are not all zeros in a plain source, looking only at the given parts of it.
 *
 * @param window - clusters to look at, by number
 * @returns one byte for each cluster of the window, 0: nothing but zeros
 * @throws Qcow2Error `Qcow2RequestInvalid` if the source ends before the parts do
 */
export async function findData(
  fd: number,
  parts: readonly GuestPart[],
  window: { first: number; count: number },
  clusterSize: number,
): Promise<Uint8Array> {
  const found = new Uint8Array(window.count);
  const buffer = Buffer.allocUnsafe(Math.min(PIECE, window.count * clusterSize));
  for (const { start, length } of parts) {
    for (let at = start; at < start + length; at += buffer.length) {
      const wanted = Math.min(buffer.length, start + length - at);
      const got = await readPiece(fd, buffer.subarray(0, wanted), at);
      if (wanted - got >= SECTOR) {
        throw new Qcow2Error("Qcow2RequestInvalid", "source-end", `the source ends at byte ${at + got}`);
      }
      mark(found, buffer.subarray(0, got), at, window.first, clusterSize);
    }
  }
  return found;
}

function mark(found: Uint8Array, data: Buffer, at: number, first: number, clusterSize: number): void {
  for (let from = 0; from < data.length;) {
    const cluster = Math.floor((at + from) / clusterSize);
    const to = Math.min(data.length, (cluster + 1) * clusterSize - at);
    if (found[cluster - first] === 0 && data.compare(ZEROS, 0, to - from, from, to) !== 0) {
      found[cluster - first] = 1;
    }
    from = to;
  }
}

async function readPiece(fd: number, target: Buffer, position: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await readAt(fd, target, done, target.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}
