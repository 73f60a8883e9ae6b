import { activeAreaBytes, HEADER_BYTES, type LuksHeader, parseHeader } from "@luksmith/luks";
import { hasBytes } from "./fields.ts";
import { bareMatch, type Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { Refusals } from "./refusal.ts";

const MAGIC = "LUKS\xba\xbe";
/** Second headers of LUKS2 bear the magic reversed, at 16 KiB and powers of two from there. */
const SECOND_MAGIC = "SKUL\xba\xbe";
const SECOND_AT = [0x4000, 0x8000, 0x1_0000];
const SECTOR = 512n;

export interface LuksFacts {
  readonly header: LuksHeader;
  /** Where the encrypted data starts, in bytes. */
  readonly payloadOffset: bigint;
}

/**
 * A LUKS container as a whole file; version 1 only.
 * Format: LUKS On-Disk Format Specification 1.2.3; of version 2, LUKS2 On-Disk Format Specification 1.1.4, section 2.
 */
export async function inspectLuks({ head, size }: Probe): Promise<Match<"luks", LuksFacts> | undefined> {
  const first = hasBytes(head, 0, MAGIC);
  if (!first && !SECOND_AT.some((at) => hasBytes(head, at, SECOND_MAGIC))) return undefined;
  const refusals = new Refusals("luks");
  try {
    // Without a first header this throws, as it must: cryptsetup would repair the container from the second.
    const header = parseHeader(head.subarray(0, HEADER_BYTES));
    refusals.addUnknownCipher(header);
    const payloadOffset = BigInt(header.payloadOffset) * SECTOR;
    const needed = BigInt(activeAreaBytes(header));
    const end = payloadOffset > needed ? payloadOffset : needed;
    if (end >= size) refusals.addTruncated("LUKS header", end, size);
    return {
      format: "luks",
      virtualSize: size > payloadOffset ? size - payloadOffset : undefined,
      facts: { header, payloadOffset },
      refusals: refusals.list,
    };
  } catch (error) {
    refusals.addLuksError(error);
    return bareMatch("luks", refusals.list);
  }
}
