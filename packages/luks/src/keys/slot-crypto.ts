import { pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { parseHashSpec } from "../crypto/cipher-spec.ts";
import { sectorCipherOf } from "../crypto/sector-cipher.ts";
import { sharedXtsKernel } from "../crypto/xts-kernel.ts";
import { DIGEST_BYTES, type KeySlot, type LuksHeader, SECTOR } from "../header/luks-header.ts";
import type { Passphrase } from "../passphrase.ts";
import { mergeKey, splitKey } from "./anti-forensic.ts";
import { takeStripes } from "./prepared-stripes.ts";

/** The fields of a header that decide how a key slot is encrypted. */
type SlotScheme = Pick<LuksHeader, "cipherName" | "cipherMode" | "hashSpec" | "keyBytes">;

/** Runs `use` with the key that a passphrase stretches to, and wipes it and what the sector cipher leaves behind. */
function withSlotKey<T>(
  scheme: SlotScheme,
  slot: KeySlot,
  passphrase: Passphrase,
  use: (key: Uint8Array) => T,
): T {
  const hash = parseHashSpec(scheme.hashSpec);
  const key = passphrase.use((bytes) => pbkdf2Sync(bytes, slot.salt, slot.iterations, scheme.keyBytes, hash));
  try {
    return use(key);
  } finally {
    key.fill(0);
    sharedXtsKernel().wipe();
  }
}

/**
 * Makes the key material of a slot: the volume key split into stripes and encrypted under the stretched passphrase
 * (LUKS On-Disk Format Specification 1.2.3, section 4.1.3). Its sectors are numbered from 0.
 */
export function sealSlot(
  scheme: SlotScheme,
  slot: KeySlot,
  passphrase: Passphrase,
  volumeKey: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return withSlotKey(scheme, slot, passphrase, (key) => {
    const hash = parseHashSpec(scheme.hashSpec);
    const random = takeStripes(volumeKey.length, slot.stripes, hash);
    const stripes = splitKey(volumeKey, slot.stripes, hash, random);
    const material = wholeSectors(stripes);
    sectorCipherOf(scheme, key, { wipe: true }).encrypt(material, 0);
    return material;
  });
}

/**
 * The volume key that a passphrase gets out of a slot: the right one only if the digest says so.
 *
 * @param material - the slot's key material, not changed
 */
export function openSlot(
  scheme: SlotScheme,
  slot: KeySlot,
  passphrase: Passphrase,
  material: Uint8Array,
): Uint8Array {
  return withSlotKey(scheme, slot, passphrase, (key) => {
    const stripes = wholeSectors(new Uint8Array(material));
    try {
      sectorCipherOf(scheme, key, { wipe: true }).decrypt(stripes, 0);
      const used = stripes.subarray(0, scheme.keyBytes * slot.stripes);
      return mergeKey(used, scheme.keyBytes, parseHashSpec(scheme.hashSpec));
    } finally {
      stripes.fill(0);
    }
  });
}

/** `bytes` itself, or a copy padded with zeros (a 24-byte key fills half of its last sector); `bytes` is then wiped. */
function wholeSectors(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length % SECTOR === 0) return bytes;
  const whole = new Uint8Array(Math.ceil(bytes.length / SECTOR) * SECTOR);
  whole.set(bytes);
  bytes.fill(0);
  return whole;
}

/** The digest that identifies a volume key (specification, section 4.1.1). */
export function digestVolumeKey(
  header: Pick<LuksHeader, "hashSpec" | "digestSalt" | "digestIterations">,
  key: Uint8Array,
): Uint8Array {
  const hash = parseHashSpec(header.hashSpec);
  return new Uint8Array(pbkdf2Sync(key, header.digestSalt, header.digestIterations, DIGEST_BYTES, hash));
}

/** Whether `key` is this container's volume key. */
export function isVolumeKeyOf(header: LuksHeader, key: Uint8Array): boolean {
  return key.length === header.keyBytes && timingSafeEqual(digestVolumeKey(header, key), header.digest);
}
