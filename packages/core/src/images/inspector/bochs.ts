import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const HEADER_BYTES = 512;
const VERSION_1 = 0x0001_0000;

/**
 * Bochs redolog and growing images.
 * Format: QEMU `block/bochs.c`, `struct bochs_header` and `bochs_header_v1` (no padding before the disk size).
 */
export async function inspectBochs({ head }: Probe): Promise<Match<"bochs", never> | undefined> {
  if (!hasBytes(head, 0, "Bochs Virtual HD Image")) return undefined;
  const message = "is a Bochs image, a format that is not accepted; convert it to qcow2";
  return {
    format: "bochs",
    virtualSize: head.length >= HEADER_BYTES ? diskBytes(new Fields(head, "little-endian")) : undefined,
    refusals: [refusal("BochsUnsupported", message)],
  };
}

function diskBytes(fields: Fields): bigint {
  return fields.u64(fields.u32(64) === VERSION_1 ? 84 : 88);
}
