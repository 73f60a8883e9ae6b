import { constants } from "node:fs";
import {
  type DiskContent,
  type HeaderWrite,
  type ImageDisk,
  ioError,
  LuksmithError,
  openExisting,
  parseHeader,
} from "@luksmith/core";

const SECTOR = 512;
/** Of the LUKS header's payload offset: four bytes, big-endian. */
const PAYLOAD_OFFSET_AT = 104;

/** A copy of a disk in a raw file, to be put into an image as it is. Disposal closes the file. */
export interface Copy extends AsyncDisposable {
  /** Ciphertext if the disk is encrypted. */
  readonly content: DiskContent;
  /** The header, whose payload is where images have it. */
  readonly writes: readonly HeaderWrite[];
}

/**
 * Opens what `exportImage` has written, or any other raw file with the disk: its payload may be nearer to the header than in an
 * image. Sectors are encrypted by their place in the payload, so that they stay as they are.
 * @param dataOffset bytes before the payload in an image
 * @throws `DiskNotFound`, `DiskNotProven`: it cannot be this disk
 */
export async function openCopy(path: string, disk: ImageDisk, dataOffset: number): Promise<Copy> {
  const file = await openExisting(path, constants.O_RDONLY);
  try {
    const { size } = await file.stat();
    let area = new Uint8Array();
    if (disk.encryption) {
      const head = new Uint8Array(4096);
      await file.read(head, 0, head.length, 0);
      const bytes = parseHeader(head).payloadOffset * SECTOR;
      if (bytes > dataOffset) throw notThis(path, `its payload begins only at byte ${bytes}`);
      area = new Uint8Array(bytes);
      await file.read(area, 0, bytes, 0);
      new DataView(area.buffer).setUint32(PAYLOAD_OFFSET_AT, dataOffset / SECTOR);
    }
    const length = disk.virtualSize;
    const held = size - area.length;
    if (BigInt(held) !== length) throw notThis(path, `it holds ${held} of ${length} bytes`);
    const extents = [{ start: 0n, length, source: BigInt(area.length) }];
    return {
      content: { fd: file.fd, length, extents },
      writes: area.length > 0 ? [{ offset: 0, bytes: area }] : [],
      [Symbol.asyncDispose]: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw ioError(error, `reading ${path}`, { path });
  }
}

function notThis(path: string, why: string): LuksmithError {
  return new LuksmithError("DiskNotProven", `${path} is no copy of the disk: ${why}`, { details: { path } });
}
