import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const HEADER_BYTES = 64;
const SECTOR = 512n;

/**
 * Parallels expandable image, which ploop delta files are too.
 * Format: QEMU `docs/interop/parallels.txt`.
 */
export async function inspectParallels({ head }: Probe): Promise<Match<"parallels", never> | undefined> {
  const old = hasBytes(head, 0, "WithoutFreeSpace");
  if (!old && !hasBytes(head, 0, "WithouFreSpacExt")) return undefined;
  const message = "is a Parallels (or ploop) image, a format that is not accepted; convert it to qcow2";
  return {
    format: "parallels",
    virtualSize: head.length >= HEADER_BYTES ? sectorsOf(head, old) * SECTOR : undefined,
    refusals: [refusal("ParallelsUnsupported", message)],
  };
}

function sectorsOf(head: Uint8Array, old: boolean): bigint {
  const fields = new Fields(head, "little-endian");
  return old ? BigInt(fields.u32(36)) : fields.u64(36);
}
