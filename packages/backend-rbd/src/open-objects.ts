import type { OpenParts, UnlockedDisk } from "@luksmith/core";
import { SLOT_BYTES } from "./ceph/window.ts";
import type { OpenImage } from "./ceph/open-image.ts";

const SECTOR = 512n;

/**
 * An image's bytes for a copy, as they go through the window. Owns both.
 * @param dataOffset bytes before the guest's first
 */
export function openObjects(
  image: OpenImage,
  unlocked: UnlockedDisk | undefined,
  dataOffset: bigint,
): OpenParts {
  return {
    mostBytes: BigInt(SLOT_BYTES),
    part: async (start, length, use) => {
      const slot = await image.take();
      const whole = ((length + SECTOR - 1n) / SECTOR) * SECTOR;
      const parts = [[Number(dataOffset + start), slot.at, Number(whole)]] as const;
      try {
        if (use === "read") await image.read(parts);
      } catch (error) {
        slot[Symbol.dispose]();
        throw error;
      }
      const key = unlocked ? { volumeKey: unlocked.volumeKey } : {};
      return {
        end: { fd: image.window.file.fd, offset: BigInt(slot.at) - start, ...key },
        length: start + length,
        extents: [{ start, length }],
        store: () => image.write(parts),
        [Symbol.asyncDispose]: async () => slot[Symbol.dispose](),
      };
    },
    sync: () => image.flush(),
    [Symbol.asyncDispose]: async () => {
      unlocked?.[Symbol.dispose]();
      await image[Symbol.asyncDispose]();
    },
  };
}
