import type { GeneratedPassphrase, LuksEngine, VolumeKey } from "@luksmith/luks";
import type { FileHandle } from "node:fs/promises";
import { createImage } from "./image-writes.ts";
import { LUKS_AREA_BYTES, SECTOR } from "./layout.ts";
import { planImage } from "./plan-image.ts";
import { Qcow2File } from "./qcow2-file.ts";

export interface MakeImageRequest {
  /** Bytes that the guest sees: a multiple of 512. */
  virtualSize: bigint;
  /** Makes it encrypted; see `FormatRequest` of `@luksmith/luks`. */
  encryption?: { uuid: string; passphrase: GeneratedPassphrase; iterations: number };
}

/** A new image. Disposing it wipes the volume key and leaves the file open. */
export interface MadeImage extends Disposable {
  image: Qcow2File;
  /** Of an encrypted image. */
  volumeKey: VolumeKey | undefined;
}

/**
 * Makes an image that stands alone, with a LUKS header and a volume key of its own if it is to be encrypted. It reads as
 * zero; the caller syncs it.
 *
 * @param file - empty, open for reading and writing
 * @throws Qcow2Error `Qcow2RequestInvalid`; what the engine's `format` throws, or the error of the system call
 */
export async function makeImage(
  file: FileHandle,
  engine: Pick<LuksEngine, "format">,
  { virtualSize, encryption }: MakeImageRequest,
): Promise<MadeImage> {
  const plan = planImage({ virtualSize, ...(encryption ? { luks: {} } : {}) });
  const payloadOffset = LUKS_AREA_BYTES / SECTOR;
  const container = encryption && (await engine.format({ ...encryption, payloadOffset }));
  const volumeKey = container?.volumeKey;
  const wipe = (): void => volumeKey?.[Symbol.dispose]();
  try {
    await createImage(file, plan, container);
    return { image: await Qcow2File.open(file), volumeKey, [Symbol.dispose]: wipe };
  } catch (error) {
    wipe();
    throw error;
  }
}
