import { hasBytes } from "./fields.ts";
import { bareMatch, type Match } from "./match.ts";
import { printable } from "./printable.ts";
import type { Probe } from "./probe.ts";
import { Refusals } from "./refusal.ts";
import { checkDynamic } from "./vhd-dynamic.ts";
import {
  FOOTER_BYTES,
  isVhdFooter,
  NO_OFFSET,
  readVhdFooter,
  type VhdFooter,
  vhdVirtualSize,
} from "./vhd-footer.ts";

/** The footer of disks that predate Virtual PC 2004 has 511 bytes. */
const OLD_FOOTER_BYTES = 511;
const VERSION = 0x0001_0000;
const TYPES = new Map<number, "fixed" | "dynamic" | "differencing">([
  [2, "fixed"],
  [3, "dynamic"],
  [4, "differencing"],
]);
const MAX_VIRTUAL_SIZE = 2040n * 1024n * 1024n * 1024n;

export interface VhdFacts {
  readonly type: "fixed" | "dynamic" | "differencing" | "unknown";
  readonly creatorApp: string;
  readonly currentSize: bigint;
  readonly geometrySize: bigint;
  readonly blockSize?: number;
}

/**
 * Virtual Hard Disk (Virtual PC, Hyper-V, XenServer). Fixed disks are raw data with a footer.
 * Format: Microsoft "Virtual Hard Disk Image Format Specification" 1.0; QEMU `block/vpc.c`.
 */
export async function inspectVhd(probe: Probe): Promise<Match<"vhd", VhdFacts> | undefined> {
  const atStart = isVhdFooter(probe.head);
  const atEnd = isVhdFooter(probe.fromEnd(FOOTER_BYTES, FOOTER_BYTES));
  const old = hasBytes(probe.fromEnd(OLD_FOOTER_BYTES, OLD_FOOTER_BYTES), 0, "conectix");
  if (!atStart && !atEnd && !old) return undefined;
  const refusals = new Refusals("vhd");
  if (!atEnd) {
    if (old) refusals.add("VhdFooterInvalid", "has a footer of 511 bytes; convert it with a newer tool");
    else refusals.addTruncated("footer", probe.size + BigInt(FOOTER_BYTES), probe.size);
    return bareMatch("vhd", refusals.list);
  }
  const bytes = probe.fromEnd(FOOTER_BYTES, FOOTER_BYTES);
  const footer = readVhdFooter(bytes);
  checkFooter(footer, probe, refusals);
  checkCopy(footer, bytes, atStart ? probe.head.subarray(0, FOOTER_BYTES) : undefined, refusals);
  const dynamic = footer.type === 3 || footer.type === 4;
  const blockSize = dynamic ? await checkDynamic(footer, probe, refusals) : undefined;
  return {
    format: "vhd",
    virtualSize: vhdVirtualSize(footer),
    facts: {
      type: TYPES.get(footer.type) ?? "unknown",
      creatorApp: printable(footer.creatorApp),
      currentSize: footer.currentSize,
      geometrySize: footer.geometrySize,
      ...(blockSize === undefined ? {} : { blockSize }),
    },
    refusals: refusals.list,
  };
}

function checkFooter(footer: VhdFooter, { size }: Probe, refusals: Refusals): void {
  if (footer.type === 4) {
    refusals.add("VhdDifferencing", "is a differencing disk; merge it into its parent first");
  }
  if (!footer.checksumHolds) {
    refusals.add("VhdChecksum", "has a footer with a wrong checksum; fetch it again");
  }
  if (footer.version !== VERSION || !TYPES.has(footer.type)) {
    const { version, type } = footer;
    refusals.add("VhdFooterInvalid", `has version ${version >>> 16} and type ${type}`, { version, type });
  }
  if (footer.savedState) {
    refusals.add("VhdSavedState", "belongs to a suspended machine; shut that down and export it again");
  }
  const virtualSize = vhdVirtualSize(footer);
  if (virtualSize > MAX_VIRTUAL_SIZE) {
    refusals.add("VhdVirtualSize", `claims ${virtualSize} bytes`, { virtualSize: String(virtualSize) });
  } else if (footer.type === 2 && virtualSize + BigInt(FOOTER_BYTES) > size) {
    refusals.addTruncated("data", virtualSize + BigInt(FOOTER_BYTES), size);
  }
}

/** Readers differ in whether they trust the copy at the start or the footer: both must say the same. */
function checkCopy(
  footer: VhdFooter,
  bytes: Uint8Array,
  copy: Uint8Array | undefined,
  refusals: Refusals,
): void {
  const fixed = footer.type === 2;
  if (copy ? fixed || Buffer.compare(copy, bytes) !== 0 : !fixed) {
    refusals.add("VhdFooterMismatch", "has a header that is not the copy of its footer; fetch it again");
  }
  if (fixed && footer.dataOffset !== NO_OFFSET) {
    refusals.add("VhdFooterInvalid", "is a fixed disk with a dynamic header");
  }
}
