import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const HEADER_BYTES = 64;

/**
 * QED, deprecated by QEMU itself; OpenStack bans it.
 * Format: QEMU `docs/interop/qed_spec.txt`.
 */
export async function inspectQed({ head }: Probe): Promise<Match<"qed", never> | undefined> {
  if (!hasBytes(head, 0, "QED\0")) return undefined;
  const message = "is a QED image, a format that is not accepted; convert it to qcow2";
  return {
    format: "qed",
    virtualSize: head.length >= HEADER_BYTES ? new Fields(head, "little-endian").u64(48) : undefined,
    refusals: [refusal("QedUnsupported", message)],
  };
}
