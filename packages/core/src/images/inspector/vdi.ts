import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const HEADER_BYTES = 512;

/**
 * VirtualBox's VDI: the signature follows 64 bytes of text.
 * Format: QEMU `block/vdi.c`, `VdiHeader`.
 */
export async function inspectVdi({ head }: Probe): Promise<Match<"vdi", never> | undefined> {
  if (!hasBytes(head, 0x40, "\x7f\x10\xda\xbe")) return undefined;
  const message = "is a VDI image, a format that is not accepted; convert it to qcow2";
  return {
    format: "vdi",
    virtualSize: head.length >= HEADER_BYTES ? new Fields(head, "little-endian").u64(0x170) : undefined,
    refusals: [refusal("VdiUnsupported", message)],
  };
}
