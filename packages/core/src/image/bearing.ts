import { LuksError, parseHeader } from "@luksmith/luks";

/** What a container says of itself in its first bytes. */
export interface Bearing {
  /** Of its LUKS header; undefined: it has none that can be read. */
  readonly uuid: string | undefined;
  /** Key slots that are active, none also where there is noise instead of a header: erased; undefined where there is something else. */
  readonly keySlots: number | undefined;
}

/** Bytes that `bearingOf` needs. */
export const BEARING_BYTES = 592;

/** Of 592 random bytes, all but never fewer; of a header of any kind, of a file system, of zeros far fewer. */
const NOISE_VALUES = 200;

/** Looks at the beginning of a container, whoever wrote it. */
export function bearingOf(bytes: Uint8Array): Bearing {
  try {
    const { uuid, keySlots } = parseHeader(bytes);
    return { uuid: uuid || undefined, keySlots: keySlots.filter(({ active }) => active).length };
  } catch (error) {
    if (!(error instanceof LuksError)) throw error;
    return { uuid: undefined, keySlots: isNoise(bytes) ? 0 : undefined };
  }
}

function isNoise(bytes: Uint8Array): boolean {
  return bytes.length >= BEARING_BYTES && new Set(bytes.subarray(0, BEARING_BYTES)).size >= NOISE_VALUES;
}
