import { Fields, hasBytes, isZero } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";
import { DIRECTORY_AT_END, HEADER_BYTES, readVmdkHeader, type VmdkHeader } from "./vmdk-header.ts";

/** Footer marker, footer, end-of-stream marker: a sector each. */
const FOOTER_BYTES = 3 * HEADER_BYTES;
const MARKER_FOOTER = 3;
const MARKER_END = 0;
const MARKER_FIELDS = 16;

/**
 * The header that counts: the footer's, when the header sends readers there. It must repeat the header in all but the
 * place of the grain directory, because some readers never look at it.
 * Format: VMware "Virtual Disk Format 5.0", "Stream-Optimized Compressed Sparse Extents".
 */
export function effectiveHeader(
  header: VmdkHeader,
  probe: Probe,
  refusals: Refusals,
): VmdkHeader | undefined {
  if (header.directoryOffset !== DIRECTORY_AT_END) return header;
  const bytes = probe.fromEnd(FOOTER_BYTES, FOOTER_BYTES);
  const reason = footerFault(header, bytes, probe.size);
  if (reason === undefined) return readVmdkHeader(bytes.subarray(HEADER_BYTES, 2 * HEADER_BYTES));
  refusals.add("VmdkFooterMismatch", `has a footer that ${reason}; fetch or export it again`, { reason });
  return undefined;
}

function footerFault(header: VmdkHeader, bytes: Uint8Array, size: bigint): string | undefined {
  if (bytes.length < FOOTER_BYTES || size % BigInt(HEADER_BYTES) !== 0n) return "is cut off";
  const [marker, footerBytes, end] = [0, 1, 2].map((i) =>
    bytes.subarray(i * HEADER_BYTES, (i + 1) * HEADER_BYTES),
  );
  if (!marker || !footerBytes || !end) return "is cut off";
  if (!hasBytes(footerBytes, 0, "KDMV")) return "is not there";
  if (!isMarker(marker, MARKER_FOOTER) || !isMarker(end, MARKER_END) || !isZero(end)) {
    return "has wrong markers around it";
  }
  const footer = readVmdkHeader(footerBytes);
  if (footer.directoryOffset === DIRECTORY_AT_END) return "points at another footer";
  const same: readonly (keyof VmdkHeader)[] = [
    "version",
    "flags",
    "capacity",
    "grain",
    "descriptorOffset",
    "descriptorSectors",
    "entriesPerTable",
    "compressed",
  ];
  const differs = same.find((field) => header[field] !== footer[field]);
  return differs === undefined ? undefined : `has another ${differs} than the header`;
}

/** Size 0 and a type; the rest of the sector is zero. The first 8 bytes count the sectors that follow. */
function isMarker(sector: Uint8Array, type: number): boolean {
  const fields = new Fields(sector, "little-endian");
  return fields.u32(8) === 0 && fields.u32(12) === type && isZero(sector.subarray(MARKER_FIELDS));
}
