import { sectorCipherOf, type SectorCipher } from "../crypto/sector-cipher.ts";
import type { XtsKernel } from "../crypto/xts-kernel.ts";
import { LuksError } from "../luks-error.ts";
import type { Span } from "./copy-request.ts";
import { readFully } from "./file-io.ts";
import type { WireEnd } from "./wire.ts";

const SECTOR = 512;

/** One side of a bulk job. */
export interface BulkEnd {
  fd: number;
  offset: number;
  /** Absent: plain. */
  cipher: SectorCipher | undefined;
}

/** Takes the key out of a message, and wipes it there. */
export function openEnd({ fd, offset, volumeKey }: WireEnd, kernel: XtsKernel): BulkEnd {
  try {
    const cipher = volumeKey && sectorCipherOf(volumeKey, volumeKey.bytes, { kernel });
    return { fd, offset, cipher };
  } finally {
    volumeKey?.bytes.fill(0);
  }
}

/**
 * Reads a chunk as it is in the file. A plain source may end within its last sector: zeros follow.
 *
 * @param length - bytes of the whole data
 * @throws LuksError `LuksRequestInvalid` for a source that ends earlier
 */
export async function readChunk(
  { fd, offset, cipher }: BulkEnd,
  data: Uint8Array,
  { start, source }: Span,
  length: number,
): Promise<void> {
  const wanted = cipher ? data : data.subarray(0, length - start);
  const got = await readFully(fd, wanted, offset + source);
  const missing = wanted.length - got;
  const tail = start + wanted.length === length && missing < SECTOR;
  if (missing > 0 && (cipher !== undefined || !tail)) {
    throw new LuksError("LuksRequestInvalid", `the source ends after ${start + got} of ${length} bytes`, {
      details: { available: start + got, length },
    });
  }
  data.fill(0, got);
}
