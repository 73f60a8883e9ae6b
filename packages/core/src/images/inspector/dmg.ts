import { Fields } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const TRAILER_BYTES = 512;
const SECTOR_COUNT_AT = 0x1ec;
/** The magic, version 4, and the trailer's own length. */
const KOLY = "koly\0\0\0\x04\0\0\x02\0";

/**
 * Apple's UDIF: known by a trailer, which QEMU also finds when the file does not end on a sector.
 * Format: QEMU `block/dmg.c`, `dmg_find_koly_offset` and the `koly` block.
 */
export async function inspectDmg({ tail }: Probe): Promise<Match<"dmg", never> | undefined> {
  const at = Buffer.from(tail).lastIndexOf(Buffer.from(KOLY, "latin1"));
  if (at < 0) return undefined;
  const message = "is an Apple disk image (dmg), a format that is not accepted; convert it to qcow2";
  const whole = tail.length >= at + TRAILER_BYTES;
  return {
    format: "dmg",
    virtualSize: whole ? new Fields(tail, "big-endian").u64(at + SECTOR_COUNT_AT) * 512n : undefined,
    refusals: [refusal("DmgUnsupported", message)],
  };
}
