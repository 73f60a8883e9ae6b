import { crc32 } from "node:zlib";
import { Fields, hasBytes, isZero } from "./fields.ts";
import type { Probe } from "./probe.ts";
import type { Refusals } from "./refusal.ts";

/** Sector sizes of disks; the header is in the second sector. */
const SECTOR_SIZES = [512, 4096] as const;
const REVISION = 0x0001_0000;
const MIN_HEADER_BYTES = 92;
const CHECKSUM_AT = 16;
const ENTRY_BYTES = 128;
/** Eight times what every tool makes. */
const MAX_ENTRIES = 1024;

export interface Gpt {
  readonly sectorSize: number;
  readonly partitions: number;
}

interface GptHeader {
  readonly sectorSize: number;
  readonly sectors: bigint;
  readonly backupLba: bigint;
  readonly firstUsable: bigint;
  readonly lastUsable: bigint;
  readonly entriesLba: bigint;
  readonly entryCount: number;
  readonly entryBytes: number;
  readonly entriesCrc: number;
}

/** The sector size of the disk on which this is a GPT header; undefined: there is none. */
export function gptSectorSize(head: Uint8Array): (typeof SECTOR_SIZES)[number] | undefined {
  return SECTOR_SIZES.find((size) => hasBytes(head, size, "EFI PART"));
}

/**
 * Reads and checks a GUID partition table.
 * Format: UEFI Specification 2.10, 5.3, "GUID Partition Table Format".
 */
export async function inspectGpt(probe: Probe, sectorSize: number, refusals: Refusals): Promise<Gpt> {
  const header = readHeader(probe, sectorSize, refusals);
  const entries =
    header && checkPlaces(header, refusals) ? await readEntries(header, probe, refusals) : undefined;
  if (!header || !entries) return { sectorSize, partitions: 0 };
  return { sectorSize, partitions: checkEntries(header, entries, refusals) };
}

function readHeader({ head, size }: Probe, sectorSize: number, refusals: Refusals): GptHeader | undefined {
  const sector = head.subarray(sectorSize, 2 * sectorSize);
  if (sector.length < sectorSize) {
    refusals.addTruncated("GPT header", 2 * sectorSize, size);
    return undefined;
  }
  const fields = new Fields(sector, "little-endian");
  const headerBytes = fields.u32(12);
  const sound = fields.u32(8) === REVISION && headerBytes >= MIN_HEADER_BYTES && headerBytes <= sectorSize;
  if (!sound || fields.u32(CHECKSUM_AT) !== checksum(sector.subarray(0, headerBytes))) {
    refusals.add("GptHeaderInvalid", "has a GPT header with a wrong checksum; fetch it again");
    return undefined;
  }
  if (fields.u64(24) !== 1n) {
    refusals.add("GptHeaderInvalid", `has a GPT header that claims to be in sector ${fields.u64(24)}`);
    return undefined;
  }
  return {
    sectorSize,
    sectors: size / BigInt(sectorSize),
    backupLba: fields.u64(32),
    firstUsable: fields.u64(40),
    lastUsable: fields.u64(48),
    entriesLba: fields.u64(72),
    entryCount: fields.u32(80),
    entryBytes: fields.u32(84),
    entriesCrc: fields.u32(88),
  };
}

function checksum(header: Uint8Array): number {
  const copy = new Uint8Array(header);
  copy.fill(0, CHECKSUM_AT, CHECKSUM_AT + 4);
  return crc32(copy);
}

function checkPlaces(header: GptHeader, refusals: Refusals): boolean {
  const { entryBytes, entryCount, sectors, firstUsable, lastUsable, entriesLba } = header;
  if (entryBytes !== ENTRY_BYTES || entryCount < 1 || entryCount > MAX_ENTRIES) {
    const what = `has a GPT of ${entryCount} entries of ${entryBytes} bytes`;
    refusals.add("GptEntriesInvalid", what, { entryCount, entryBytes });
    return false;
  }
  const entriesEnd = entriesLba + BigInt(Math.ceil((entryCount * entryBytes) / header.sectorSize));
  if (lastUsable >= sectors || header.backupLba >= sectors || entriesEnd > sectors) {
    const what = "has a GPT for a larger disk; fetch the whole image, or rewrite its table with sgdisk -e";
    refusals.add("GptOutsideImage", what, { sectors: String(sectors), lastUsable: String(lastUsable) });
    return false;
  }
  if (entriesLba < 2n || entriesEnd > firstUsable || firstUsable > lastUsable) {
    refusals.add("GptHeaderInvalid", "has a GPT whose entries overlap its header or its partitions");
    return false;
  }
  return true;
}

async function readEntries(header: GptHeader, probe: Probe, refusals: Refusals): Promise<Fields | undefined> {
  const offset = header.entriesLba * BigInt(header.sectorSize);
  const bytes = await probe.read(offset, header.entryCount * ENTRY_BYTES);
  if (crc32(bytes) === header.entriesCrc) return new Fields(bytes, "little-endian");
  refusals.add("GptEntriesInvalid", "has GPT entries with a wrong checksum; fetch it again");
  return undefined;
}

function checkEntries(header: GptHeader, entries: Fields, refusals: Refusals): number {
  let partitions = 0;
  for (let at = 0; at + ENTRY_BYTES <= entries.bytes.length; at += ENTRY_BYTES) {
    if (isZero(entries.bytes.subarray(at, at + 16))) continue;
    partitions += 1;
    const [first, last] = [entries.u64(at + 32), entries.u64(at + 40)];
    if (first >= header.firstUsable && first <= last && last <= header.lastUsable) continue;
    refusals.add("GptEntriesInvalid", `has a GPT partition from sector ${first} to ${last}`);
    return partitions;
  }
  return partitions;
}
