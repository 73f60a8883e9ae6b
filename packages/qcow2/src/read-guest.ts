import type { SectorCipher } from "@luksmith/luks";
import { readPadded } from "./file-io.ts";
import { SECTOR } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/**
 * Reads whole sectors of a guest disk into memory: for looking, not for copying (see `exportGuest`).
 *
 * @param range - bytes of the guest disk, multiples of 512
 * @param options - `cipher`: of an encrypted image; `backing`: reads the same bytes from the backing file, zeros beyond
 *   its end
 * @throws Qcow2Error `Qcow2Unsupported` for compressed clusters, or a backing file without `backing`
 */
export async function readGuest(
  image: Qcow2File,
  range: { start: bigint; length: number },
  options: { cipher?: SectorCipher; backing?: (start: bigint, length: number) => Promise<Uint8Array> } = {},
): Promise<Uint8Array> {
  const { cipher, backing } = options;
  if ((cipher === undefined) !== (image.header.encryption === "none")) {
    throw new Qcow2Error("Qcow2RequestInvalid", "cipher", "an encrypted image is read with its cipher");
  }
  if (range.start % BigInt(SECTOR) !== 0n || range.length % SECTOR !== 0) {
    throw new Qcow2Error("Qcow2RequestInvalid", "range", "a disk is read in whole sectors");
  }
  const result = new Uint8Array(range.length);
  for await (const run of image.runs({ start: range.start, length: BigInt(range.length) })) {
    const at = Number(run.start - range.start);
    const length = Number(run.length);
    if (run.kind === "data") {
      const bytes = await readPadded(image.handle, Number(run.hostOffset), length);
      cipher?.decrypt(bytes, Number(run.hostOffset) / SECTOR);
      result.set(bytes, at);
    } else if (run.kind === "compressed") {
      throw new Qcow2Error("Qcow2Unsupported", "compressed", "compressed clusters are not read here");
    } else if (run.kind === "unallocated" && image.backing !== undefined) {
      if (backing === undefined) {
        throw new Qcow2Error("Qcow2Unsupported", "backing", "part of this disk is in its backing file");
      }
      result.set(await backing(run.start, length), at);
    }
  }
  return result;
}
