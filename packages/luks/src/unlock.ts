import { parseHeader } from "./header/parse-header.ts";
import { keyMaterialSectors, type LuksHeader, SECTOR, slotAt } from "./header/luks-header.ts";
import { isVolumeKeyOf, openSlot } from "./keys/slot-crypto.ts";
import { VolumeKey } from "./keys/volume-key.ts";
import { LuksError } from "./luks-error.ts";
import type { Passphrase } from "./passphrase.ts";

export interface UnlockOptions {
  /** Tries only this key slot, 0 to 7. */
  keySlot?: number;
}

/** An opened container. */
export interface Unlocked {
  /** The caller disposes it. */
  volumeKey: VolumeKey;
  /** The key slot that opened, 0 to 7. */
  keySlot: number;
}

/**
 * Opens a container: tries the active key slots in order (LUKS On-Disk Format Specification 1.2.3, section 4.1.4).
 *
 * @param area - the start of the container, at least `activeAreaBytes` long; not changed
 * @throws LuksError
 * - `LuksPassphraseRefused`: no key slot opens with it
 * - `LuksKeySlotUnavailable`: the slot asked for is not active
 * - `LuksCipherUnsupported`, and everything that `parseHeader` throws
 */
export function unlock(area: Uint8Array, passphrase: Passphrase, options: UnlockOptions = {}): Unlocked {
  const header = parseHeader(area);
  for (const keySlot of candidates(header, options.keySlot)) {
    const key = openSlot(header, slotAt(header, keySlot), passphrase, keyMaterial(area, header, keySlot));
    try {
      if (isVolumeKeyOf(header, key)) return { volumeKey: VolumeKey.take(key, header), keySlot };
    } finally {
      key.fill(0);
    }
  }
  throw new LuksError("LuksPassphraseRefused", "no key slot of this container opens with the passphrase", {
    details: { uuid: header.uuid },
  });
}

function candidates(header: LuksHeader, keySlot: number | undefined): number[] {
  const active = [...header.keySlots.keys()].filter((slot) => header.keySlots[slot]?.active);
  if (keySlot === undefined) return active;
  if (!active.includes(keySlot)) {
    throw new LuksError("LuksKeySlotUnavailable", `key slot ${keySlot} is not active`, {
      details: { keySlot },
    });
  }
  return [keySlot];
}

function keyMaterial(area: Uint8Array, header: LuksHeader, keySlot: number): Uint8Array {
  const { keyMaterialOffset, stripes } = slotAt(header, keySlot);
  const start = keyMaterialOffset * SECTOR;
  const end = start + keyMaterialSectors(header.keyBytes, stripes) * SECTOR;
  if (area.length < end) {
    throw new LuksError(
      "LuksHeaderInvalid",
      `key slot ${keySlot} ends at byte ${end}, only ${area.length} are here`,
      { details: { reason: "truncated", keySlot, length: area.length } },
    );
  }
  return area.subarray(start, end);
}
