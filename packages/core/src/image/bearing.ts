import { LuksError, parseHeader } from "@luksmith/luks";

/** What a container says of itself in its first bytes. */
export interface Bearing {
  /** Of its LUKS header; undefined: it has none that can be read. */
  readonly uuid: string | undefined;
  /** Key slots that are active; undefined where there is no header. */
  readonly keySlots: number | undefined;
}

/** Bytes that `bearingOf` needs. */
export const BEARING_BYTES = 592;

/** Looks at the beginning of a container, whoever wrote it. */
export function bearingOf(bytes: Uint8Array): Bearing {
  try {
    const { uuid, keySlots } = parseHeader(bytes);
    return { uuid: uuid || undefined, keySlots: keySlots.filter(({ active }) => active).length };
  } catch (error) {
    if (!(error instanceof LuksError)) throw error;
    return { uuid: undefined, keySlots: undefined };
  }
}
