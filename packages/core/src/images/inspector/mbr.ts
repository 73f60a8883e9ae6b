import { Fields, hasBytes } from "./fields.ts";
import type { Refusals } from "./refusal.ts";

const SECTOR_BYTES = 512;
const ENTRIES_AT = 446;
const ENTRY_BYTES = 16;
const GPT_TYPE = 0xee;
const FIXED_DISK = 0xf8;

interface MbrEntry {
  readonly boot: number;
  readonly startChs: string;
  readonly type: number;
  readonly startLba: number;
}

/** A master boot record's four entries. */
export interface Mbr {
  readonly entries: readonly MbrEntry[];
  /** Whether it only guards a GPT. */
  readonly protective: boolean;
}

/**
 * Reads a master boot record. Boot sectors of file systems and Linux kernels end in the same two bytes and are none.
 * Format: UEFI Specification 2.10, 5.2, "LBA 0 Format".
 */
export function readMbr(head: Uint8Array): Mbr | undefined {
  if (head.length < SECTOR_BYTES || !hasBytes(head, 510, "\x55\xaa") || isOther(head)) return undefined;
  const fields = new Fields(head.subarray(0, SECTOR_BYTES), "little-endian");
  const entries = [0, 1, 2, 3].map((i) => {
    const at = ENTRIES_AT + i * ENTRY_BYTES;
    return {
      boot: fields.u8(at),
      startChs: fields.hex(at + 1, 3),
      type: fields.u8(at + 4),
      startLba: fields.u32(at + 8),
    };
  });
  return { entries, protective: entries.some(({ type }) => type === GPT_TYPE) };
}

/** FAT, NTFS and exFAT boot sectors, and kernels (boot protocol 2.00 and later: `HdrS`). */
function isOther(head: Uint8Array): boolean {
  const fat = hasBytes(head, 0x36, "FAT") || hasBytes(head, 0x52, "FAT");
  const fatParameters = head[0x10] === 2 && head[0x15] === FIXED_DISK;
  const named = hasBytes(head, 3, "NTFS    ") || hasBytes(head, 3, "EXFAT   ");
  return fat || fatParameters || named || hasBytes(head, 0x202, "HdrS");
}

/** The same demands as OpenStack's: sane boot flags, some partition, and a protective entry that stands alone. */
export function checkMbr({ entries, protective }: Mbr, refusals: Refusals): void {
  const used = entries.filter(({ type }) => type !== 0);
  if (entries.some(({ boot }) => boot !== 0 && boot !== 0x80)) {
    refusals.add("MbrInvalid", "has a partition table with impossible boot flags");
  } else if (used.length === 0) {
    refusals.add("MbrInvalid", "has a partition table without partitions");
  }
  if (!protective) return;
  const [first] = entries;
  if (used.length !== 1 || first?.type !== GPT_TYPE) {
    refusals.add("ProtectiveMbrInvalid", "has a protective MBR with further partitions");
  } else if (first.startChs !== "000200" || first.startLba !== 1) {
    refusals.add("ProtectiveMbrInvalid", "has a protective MBR that does not start at the GPT");
  }
}
