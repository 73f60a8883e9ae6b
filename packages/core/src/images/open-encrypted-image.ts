import type { ContentExtent, DiskContent, Extent } from "../image/disk-content.ts";
import type { OpContext } from "../image/op-context.ts";
import { throwIfCancelled } from "../image/op-context.ts";
import type { ImageFile } from "./image-service.ts";
import { ImageRefusedError, refusal } from "./inspector/index.ts";
import { Qcow2Guest } from "./qcow2-guest.ts";
import { unlockImage, type UnlockServices } from "./unlock-image.ts";

/** Bounds the memory that a disk's map takes, to some 200 MB: a disk of 64 GiB with no two clusters in order. */
const MOST_PARTS = 1024 * 1024;

/** An encrypted image as content for an encrypted disk: decrypted on the way there and nowhere else. */
export async function openEncryptedImage(
  image: ImageFile,
  services: UnlockServices,
  ctx: OpContext,
): Promise<AsyncDisposable & { readonly content: DiskContent }> {
  const unlocked = await unlockImage(image, services, ctx);
  try {
    const { payload, volumeKey } = unlocked;
    const { fd, virtualSize: length } = image;
    const parts =
      payload instanceof Qcow2Guest
        ? await mapOf(payload, image.id, ctx)
        : { extents: [{ start: 0n, length }], zeros: [] };
    const offset = payload instanceof Qcow2Guest ? 0n : payload.offset;
    return {
      content: { fd, length, ...parts, decryption: { volumeKey, offset } },
      [Symbol.asyncDispose]: async () => unlocked[Symbol.dispose](),
    };
  } catch (error) {
    unlocked[Symbol.dispose]();
    throw error;
  }
}

async function mapOf(
  guest: Qcow2Guest,
  id: string,
  ctx: OpContext,
): Promise<{ readonly extents: readonly ContentExtent[]; readonly zeros: readonly Extent[] }> {
  const extents: ContentExtent[] = [];
  const zeros: Extent[] = [];
  for await (const part of guest.parts()) {
    throwIfCancelled(ctx);
    (part.source === undefined ? zeros : extents).push(part);
    if (extents.length + zeros.length <= MOST_PARTS) continue;
    const message =
      "has its data in too many pieces; copy it with qemu-img convert, which puts them in order";
    throw new ImageRefusedError(
      `image ${id}`,
      refusal("ImageInspectionLimit", message, { parts: MOST_PARTS }),
    );
  }
  return { extents, zeros };
}
