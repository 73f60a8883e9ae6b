import { createHash } from "node:crypto";
import { HEADER_BYTES, type LuksHeader, parseHeader } from "@luksmith/luks";
import { isLuksmithError } from "../errors/luksmith-error.ts";

/** What a LUKS header said, for receipts: nothing of it opens anything. JSON. */
export type HeaderFacts = {
  /** Of its 592 bytes: whoever finds a copy somewhere can tell that it is of this header. */
  readonly sha256: string;
  readonly uuid: string;
  readonly cipher: string;
  readonly key_bits: number;
  /** 0 to 7, those that a passphrase opened. */
  readonly active_slots: readonly number[];
  /** Sectors of 512 bytes. */
  readonly payload_offset: number;
};

/** @param area the start of a container, 592 bytes or more */
export function headerFacts(area: Uint8Array): HeaderFacts {
  const header = parseHeader(area);
  return {
    sha256: createHash("sha256").update(area.subarray(0, HEADER_BYTES)).digest("hex"),
    uuid: header.uuid,
    cipher: `${header.cipherName}-${header.cipherMode}`,
    key_bits: header.keyBytes * 8,
    active_slots: activeSlots(header),
    payload_offset: header.payloadOffset,
  };
}

export function activeSlots({ keySlots }: LuksHeader): readonly number[] {
  return [...keySlots.keys()].filter((slot) => keySlots[slot]?.active);
}

/** Undefined: it is no header any more, or one that is not understood. */
export function tryHeaderFacts(area: Uint8Array): HeaderFacts | undefined {
  try {
    return headerFacts(area);
  } catch (error) {
    if (isLuksmithError(error)) return undefined;
    throw error;
  }
}
