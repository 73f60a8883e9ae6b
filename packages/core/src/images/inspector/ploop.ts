import { bareMatch, type Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const DESCRIPTOR = "<parallels_disk_image";
const SEARCHED_BYTES = 1024;

/**
 * The `DiskDescriptor.xml` of a ploop bundle: XML that names other files. Its delta files are Parallels images.
 * Format: OpenVZ `ploop(8)`; QEMU `docs/interop/prl-xml.txt`.
 */
export async function inspectPloop({ head }: Probe): Promise<Match<"ploop", never> | undefined> {
  const start = Buffer.from(head.subarray(0, SEARCHED_BYTES)).toString("latin1").toLowerCase();
  if (!start.includes(DESCRIPTOR)) return undefined;
  const message = "describes a ploop disk whose data is in other files; convert it to qcow2";
  return bareMatch("ploop", [refusal("PloopUnsupported", message)]);
}
