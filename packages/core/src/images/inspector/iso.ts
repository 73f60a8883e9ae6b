import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import { printable } from "./printable.ts";
import type { Probe } from "./probe.ts";
import { Refusals } from "./refusal.ts";

const DESCRIPTORS_AT = 0x8000;
const DESCRIPTOR_BYTES = 2048;
const PRIMARY = 1;
const END = 255;
/** Writers promise up to this much padding and leave it out. */
const PADDING_BYTES = 300n * 1024n;
/** Identifiers of a volume recognition sequence: ISO 9660, UDF, and UDF's opening and end. */
const IDENTIFIERS = ["CD001", "NSR02", "NSR03", "BEA01"];

export interface IsoFacts {
  readonly kind: "iso9660" | "udf";
  readonly volumeId?: string;
  readonly blockSize?: number;
  /** Bytes that the volume claims; QEMU shows a guest the whole file. */
  readonly volumeSize?: bigint;
}

/**
 * An optical disc.
 * Format: ECMA-119 (ISO 9660) 8.4, "Primary Volume Descriptor"; ECMA-167 part 2 for UDF.
 */
export async function inspectIso({ head, size }: Probe): Promise<Match<"iso", IsoFacts> | undefined> {
  const identifier = IDENTIFIERS.find((id) => hasBytes(head, DESCRIPTORS_AT + 1, id));
  if (identifier === undefined) return undefined;
  const refusals = new Refusals("iso");
  const primary = primaryDescriptor(head);
  if (identifier !== "CD001" && !primary) {
    return { format: "iso", virtualSize: size, facts: { kind: "udf" }, refusals: [] };
  }
  if (!primary) {
    refusals.add("IsoInvalid", "has no primary volume descriptor; fetch or build it again");
    return { format: "iso", virtualSize: size, facts: { kind: "iso9660" }, refusals: refusals.list };
  }
  const facts = readPrimary(primary);
  if (!bothOrdersAgree(primary) || facts.blockSize === 0) {
    refusals.add("IsoInvalid", "has a primary volume descriptor that contradicts itself");
  } else if (facts.volumeSize > size + PADDING_BYTES) {
    refusals.addTruncated("volume", facts.volumeSize, size);
  }
  return { format: "iso", virtualSize: size, facts, refusals: refusals.list };
}

function primaryDescriptor(head: Uint8Array): Uint8Array | undefined {
  for (let at = DESCRIPTORS_AT; at + DESCRIPTOR_BYTES <= head.length; at += DESCRIPTOR_BYTES) {
    if (!hasBytes(head, at + 1, "CD001") || head[at] === END) return undefined;
    if (head[at] === PRIMARY) return head.subarray(at, at + DESCRIPTOR_BYTES);
  }
  return undefined;
}

function readPrimary(bytes: Uint8Array): Required<IsoFacts> {
  const fields = new Fields(bytes, "little-endian");
  const blockSize = fields.u16(128);
  return {
    kind: "iso9660",
    volumeId: printable(fields.latin1(40, 32).trim()),
    blockSize,
    volumeSize: BigInt(fields.u32(80)) * BigInt(blockSize),
  };
}

/** Numbers stand twice, in little and in big endian; readers pick either. */
function bothOrdersAgree(bytes: Uint8Array): boolean {
  const [little, big] = [new Fields(bytes, "little-endian"), new Fields(bytes, "big-endian")];
  return little.u32(80) === big.u32(84) && little.u16(128) === big.u16(130);
}
