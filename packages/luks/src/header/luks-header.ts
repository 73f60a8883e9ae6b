/** Bytes of a LUKS sector; also the unit of every offset in the header and of the sector cipher. */
export const SECTOR = 512;

/** Bytes of the partition header (phdr): LUKS On-Disk Format Specification 1.2.3, figure 3. */
export const HEADER_BYTES = 592;

/** Key slots in a header, active or not. */
export const KEY_SLOTS = 8;

/** Anti-forensic stripes of every key slot: what the specification proposes and all implementations insist on. */
export const STRIPES = 4000;

/** The most PBKDF2 iterations that are run for a header; a hostile one could ask for four billion. */
export const MAX_ITERATIONS = 12_000_000;

/** Where the fields of the phdr and of a key slot within it are, in bytes. */
export const FIELD = {
  magic: 0,
  version: 6,
  cipherName: 8,
  cipherMode: 40,
  hashSpec: 72,
  payloadOffset: 104,
  keyBytes: 108,
  digest: 112,
  digestSalt: 132,
  digestIterations: 164,
  uuid: 168,
  keySlots: 208,
} as const;

export const SLOT_FIELD = { state: 0, iterations: 4, salt: 8, keyMaterialOffset: 40, stripes: 44 } as const;
export const SLOT_BYTES = 48;
export const NAME_BYTES = 32;
export const UUID_BYTES = 40;
export const DIGEST_BYTES = 20;
export const SALT_BYTES = 32;

/** `LUKS\xba\xbe` */
export const MAGIC: readonly number[] = [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe];
export const SLOT_ENABLED = 0x00ac_71f3;
export const SLOT_DISABLED = 0x0000_dead;

/** One of the eight key slots of a header (specification, figure 4). */
export interface KeySlot {
  active: boolean;
  /** PBKDF2 iterations; 0 in a slot that is not active. */
  iterations: number;
  /** 32 bytes. */
  salt: Uint8Array;
  /** Where the key material starts, in sectors from the start of the container. */
  keyMaterialOffset: number;
  /** Anti-forensic stripes, always 4000. */
  stripes: number;
}

/** The partition header of a LUKSv1 container (LUKS On-Disk Format Specification 1.2.3, section 3). */
export interface LuksHeader {
  version: 1;
  cipherName: string;
  cipherMode: string;
  hashSpec: string;
  /** Where the encrypted data starts, in sectors from the start of the container. */
  payloadOffset: number;
  /** Bytes of the volume key. */
  keyBytes: number;
  /** PBKDF2 of the volume key, 20 bytes. */
  digest: Uint8Array;
  /** 32 bytes. */
  digestSalt: Uint8Array;
  digestIterations: number;
  /** Any text up to 39 characters; characters that do not print appear as U+FFFD. */
  uuid: string;
  /** Always eight. */
  keySlots: readonly KeySlot[];
}

/** Sectors that the key material of one slot fills. */
export function keyMaterialSectors(keyBytes: number, stripes: number): number {
  return Math.ceil((keyBytes * stripes) / SECTOR);
}

/**
 * How many bytes of a container must be read to unlock it: the end of the highest active slot's key material, at least
 * the 592 bytes of the header itself.
 */
export function activeAreaBytes(header: LuksHeader): number {
  const ends = header.keySlots
    .filter((slot) => slot.active)
    .map((slot) => (slot.keyMaterialOffset + keyMaterialSectors(header.keyBytes, slot.stripes)) * SECTOR);
  return Math.max(HEADER_BYTES, ...ends);
}

/** The key slot with this number. The caller has checked that it is 0 to 7. */
export function slotAt(header: LuksHeader, keySlot: number): KeySlot {
  const slot = header.keySlots[keySlot];
  if (slot === undefined) throw new RangeError(`no key slot ${keySlot}`);
  return slot;
}
