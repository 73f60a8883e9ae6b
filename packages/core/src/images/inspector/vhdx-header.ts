import { holdsCrc32c } from "./crc32c.ts";
import { Fields, hasBytes, isZero } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";

export const MIB = 1024n * 1024n;

const HEADERS_AT = [64n * 1024n, 128n * 1024n];
const HEADER_BYTES = 4096;
const CHECKSUM_AT = 4;
const LOG_ID_AT = 48;
const VERSION = 1;

/** The header with the higher sequence number of the two that hold their checksum. */
export interface VhdxHeader {
  readonly sequence: bigint;
  readonly version: number;
  readonly logVersion: number;
  readonly logEmpty: boolean;
  readonly logOffset: bigint;
  readonly logBytes: bigint;
}

/** Format: Microsoft [MS-VHDX] 2.2.2, "Headers"; QEMU `block/vhdx.h`, `VHDXHeader`. */
export async function readVhdxHeader(probe: Probe, refusals: Refusals): Promise<VhdxHeader | undefined> {
  let current: VhdxHeader | undefined;
  for (const at of HEADERS_AT) {
    const header = readOne(await probe.read(at, HEADER_BYTES));
    if (header && (!current || header.sequence > current.sequence)) current = header;
  }
  if (!current) {
    refusals.add("VhdxHeaderInvalid", "has no valid header; fetch it again");
    return undefined;
  }
  checkHeader(current, probe.size, refusals);
  return current;
}

function readOne(bytes: Uint8Array): VhdxHeader | undefined {
  if (bytes.length < HEADER_BYTES || !hasBytes(bytes, 0, "head")) return undefined;
  if (!holdsCrc32c(bytes, CHECKSUM_AT)) return undefined;
  const fields = new Fields(bytes, "little-endian");
  return {
    sequence: fields.u64(8),
    version: fields.u16(66),
    logVersion: fields.u16(64),
    logEmpty: isZero(bytes.subarray(LOG_ID_AT, LOG_ID_AT + 16)),
    logBytes: BigInt(fields.u32(68)),
    logOffset: fields.u64(72),
  };
}

function checkHeader(header: VhdxHeader, size: bigint, refusals: Refusals): void {
  const { version, logVersion, logOffset, logBytes } = header;
  if (version !== VERSION || logVersion !== 0) {
    refusals.add("VhdxHeaderInvalid", `has version ${version} with a log of version ${logVersion}`);
  }
  if (!header.logEmpty) {
    refusals.add(
      "VhdxLogNotEmpty",
      "was not closed cleanly: its log is not empty; open and close it in Hyper-V",
    );
  }
  if (logOffset % MIB !== 0n || logBytes % MIB !== 0n || logOffset < MIB || logBytes === 0n) {
    refusals.add("VhdxHeaderInvalid", "has a misplaced log", { logOffset: String(logOffset) });
  } else if (logOffset + logBytes > size) {
    refusals.addTruncated("log", logOffset + logBytes, size);
  }
}
