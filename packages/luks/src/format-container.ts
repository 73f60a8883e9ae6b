import { randomFillSync } from "node:crypto";
import { checkFormatRequest, type FormatRequest } from "./format-request.ts";
import type { HeaderWrite } from "./header-write.ts";
import {
  DIGEST_BYTES,
  KEY_SLOTS,
  type KeySlot,
  keyMaterialSectors,
  type LuksHeader,
  SALT_BYTES,
  SECTOR,
  STRIPES,
} from "./header/luks-header.ts";
import { serializeHeader } from "./header/serialize-header.ts";
import { GENERATED_ITERATIONS } from "./keys/iterations.ts";
import { digestVolumeKey, sealSlot } from "./keys/slot-crypto.ts";
import { VolumeKey } from "./keys/volume-key.ts";
import type { Passphrase } from "./passphrase.ts";

/** AES-256 in XTS mode. */
const KEY_BYTES = 64;

/** Key material starts on the first 4 KiB boundary after the header and is spaced on such boundaries. */
const FIRST_SLOT = 8;
const SLOT_STEP = Math.ceil(keyMaterialSectors(KEY_BYTES, STRIPES) / 8) * 8;

/** The volume key is random, so its digest needs no stretching: the format's floor is enough. */
const DIGEST_ITERATIONS = GENERATED_ITERATIONS;

/** A new container: what to write, and the key to encrypt its data with. */
export interface FormattedContainer {
  header: LuksHeader;
  /** The header and the key material of slot 0. Everything else before the payload offset is zero. */
  writes: HeaderWrite[];
  /** The caller disposes it. */
  volumeKey: VolumeKey;
}

/**
 * Makes a new container with a random volume key, `aes` in `xts-plain64` with `sha256`, and one key slot (LUKS On-Disk
 * Format Specification 1.2.3, sections 4.1.1 to 4.1.3).
 *
 * @throws LuksError `LuksRequestInvalid`
 */
export function formatContainer(request: FormatRequest): FormattedContainer {
  return buildContainer(checkFormatRequest(request), request.passphrase);
}

/** `formatContainer` for a request that was already checked. */
export function buildContainer(
  { uuid, payloadOffset, iterations }: ReturnType<typeof checkFormatRequest>,
  passphrase: Passphrase,
): FormattedContainer {
  const key = randomFillSync(new Uint8Array(KEY_BYTES));
  try {
    const slot: KeySlot = { ...freeSlot(0), active: true, iterations, salt: randomSalt() };
    const header: LuksHeader = {
      version: 1,
      cipherName: "aes",
      cipherMode: "xts-plain64",
      hashSpec: "sha256",
      payloadOffset,
      keyBytes: KEY_BYTES,
      digest: new Uint8Array(DIGEST_BYTES),
      digestSalt: randomSalt(),
      digestIterations: DIGEST_ITERATIONS,
      uuid,
      keySlots: Array.from({ length: KEY_SLOTS }, (_, i) => (i === 0 ? slot : freeSlot(i))),
    };
    header.digest = digestVolumeKey(header, key);
    const writes = [
      { offset: slot.keyMaterialOffset * SECTOR, bytes: sealSlot(header, slot, passphrase, key) },
      { offset: 0, bytes: serializeHeader(header) },
    ];
    return { header, writes, volumeKey: VolumeKey.take(key, header) };
  } finally {
    key.fill(0);
  }
}

function freeSlot(keySlot: number): KeySlot {
  return {
    active: false,
    iterations: 0,
    salt: new Uint8Array(SALT_BYTES),
    keyMaterialOffset: FIRST_SLOT + keySlot * SLOT_STEP,
    stripes: STRIPES,
  };
}

/** A fresh salt for PBKDF2. */
export function randomSalt(): Uint8Array {
  return randomFillSync(new Uint8Array(SALT_BYTES));
}
