import { randomFillSync } from "node:crypto";
import { randomSalt } from "./format-container.ts";
import { iterationsOf, type KeySlotSecret } from "./format-request.ts";
import type { HeaderWrite } from "./header-write.ts";
import {
  HEADER_BYTES,
  type KeySlot,
  keyMaterialSectors,
  type LuksHeader,
  SALT_BYTES,
  SECTOR,
  slotAt,
} from "./header/luks-header.ts";
import { parseHeader } from "./header/parse-header.ts";
import { putSlot, serializeHeader } from "./header/serialize-header.ts";
import { isVolumeKeyOf, sealSlot } from "./keys/slot-crypto.ts";
import type { VolumeKey } from "./keys/volume-key.ts";
import { LuksError } from "./luks-error.ts";
import type { Passphrase } from "./passphrase.ts";

/** A passphrase for one more key slot. */
export type AddKeySlotRequest = KeySlotSecret & {
  /** 0 to 7; default the first that is free. */
  keySlot?: number;
};

const unavailable = (message: string, details: Record<string, unknown>): LuksError =>
  new LuksError("LuksKeySlotUnavailable", message, { details });

/**
 * Lets one more passphrase open the container (LUKS On-Disk Format Specification 1.2.3, section 4.1.3).
 *
 * The key material comes first and the header that points at it last: a crash in between leaves the old slots intact.
 *
 * @param area - the start of the container, 592 bytes or more; not changed
 * @throws LuksError
 * - `LuksKeySlotUnavailable`: the slot is in use or out of range, or none is free
 * - `LuksRequestInvalid`: iterations out of range, or the volume key is another container's
 */
export function addKeySlot(
  area: Uint8Array,
  volumeKey: VolumeKey,
  request: AddKeySlotRequest,
): HeaderWrite[] {
  return sealKeySlot(area, volumeKey, request.passphrase, {
    iterations: iterationsOf(request),
    ...(request.keySlot === undefined ? {} : { keySlot: request.keySlot }),
  });
}

/** `addKeySlot` with iterations that were already checked. */
export function sealKeySlot(
  area: Uint8Array,
  volumeKey: VolumeKey,
  passphrase: Passphrase,
  { iterations, keySlot }: { iterations: number; keySlot?: number },
): HeaderWrite[] {
  const header = parseHeader(area);
  const chosen = keySlot ?? header.keySlots.findIndex((slot) => !slot.active);
  if (chosen < 0) throw unavailable("all eight key slots are in use", {});
  const old = checkedSlot(header, chosen);
  if (old.active) throw unavailable(`key slot ${chosen} is in use`, { keySlot: chosen });
  return volumeKey.use((key) => {
    if (!isVolumeKeyOf(header, key)) {
      throw new LuksError("LuksRequestInvalid", "this volume key belongs to another container", {
        details: { uuid: header.uuid },
      });
    }
    const slot = { ...old, active: true, iterations, salt: randomSalt() };
    return [
      { offset: slot.keyMaterialOffset * SECTOR, bytes: sealSlot(header, slot, passphrase, key) },
      headerWith(area, [[chosen, slot]]),
    ];
  });
}

/**
 * Takes a key slot away for good: its key material is overwritten with random bytes, then the header disables it
 * (specification, section 4.1.5).
 *
 * @throws LuksError `LuksKeySlotUnavailable` for a slot that is not active, or the last one unless `allowLast`
 */
export function killKeySlot(
  area: Uint8Array,
  keySlot: number,
  { allowLast = false }: { allowLast?: boolean } = {},
): HeaderWrite[] {
  const header = parseHeader(area);
  const slot = checkedSlot(header, keySlot);
  if (!slot.active) throw unavailable(`key slot ${keySlot} is not active`, { keySlot });
  if (!allowLast && header.keySlots.filter(({ active }) => active).length === 1) {
    throw unavailable(`key slot ${keySlot} is the last one: without it the data is lost`, { keySlot });
  }
  return [randomMaterial(header, slot), headerWith(area, [[keySlot, disabled(slot)]])];
}

/**
 * Makes the data unreadable for ever: all key slots are disabled, and their key material is overwritten with random
 * bytes. The header comes first, because nothing opens any more once its salts are gone.
 *
 * @param container - the header, or the start of the container: a disabled slot whose material is all zero there has
 * never held a key and is left out
 */
export function eraseKeySlots(container: LuksHeader | Uint8Array): HeaderWrite[] {
  const area = container instanceof Uint8Array ? container : undefined;
  const header = container instanceof Uint8Array ? parseHeader(container) : container;
  const slots = [...header.keySlots.entries()].map(([i, slot]): [number, KeySlot] => [i, disabled(slot)]);
  return [
    headerWith(area ?? serializeHeader(header), slots),
    ...header.keySlots
      .filter((slot) => slot.active || !isBlank(area, header, slot))
      .map((slot) => randomMaterial(header, slot)),
  ];
}

/** Whether a slot's key material is known to be all zero. */
function isBlank(area: Uint8Array | undefined, header: LuksHeader, slot: KeySlot): boolean {
  const start = slot.keyMaterialOffset * SECTOR;
  const end = start + keyMaterialSectors(header.keyBytes, slot.stripes) * SECTOR;
  if (area === undefined || area.length < end) return false;
  const material = Buffer.from(area.buffer, area.byteOffset + start, end - start);
  return material[0] === 0 && material.compare(material, 1, end - start, 0, end - start - 1) === 0;
}

function checkedSlot(header: LuksHeader, keySlot: number): KeySlot {
  if (!Number.isInteger(keySlot) || keySlot < 0 || keySlot >= header.keySlots.length) {
    throw unavailable(`there is no key slot ${keySlot}`, { keySlot });
  }
  return slotAt(header, keySlot);
}

function disabled(slot: KeySlot): KeySlot {
  return { ...slot, active: false, iterations: 0, salt: new Uint8Array(SALT_BYTES) };
}

/** The header's own bytes with some key slots replaced: what this package does not know about stays as it was. */
function headerWith(area: Uint8Array, slots: readonly [number, KeySlot][]): HeaderWrite {
  const bytes = new Uint8Array(area.subarray(0, HEADER_BYTES));
  for (const [keySlot, slot] of slots) putSlot(bytes, keySlot, slot);
  return { offset: 0, bytes };
}

function randomMaterial(header: LuksHeader, slot: KeySlot): HeaderWrite {
  const bytes = new Uint8Array(keyMaterialSectors(header.keyBytes, slot.stripes) * SECTOR);
  return { offset: slot.keyMaterialOffset * SECTOR, bytes: randomFillSync(bytes) };
}
