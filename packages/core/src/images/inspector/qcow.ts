import { Fields, hasBytes } from "./fields.ts";
import type { Match } from "./match.ts";
import type { Probe } from "./probe.ts";
import { refusal } from "./refusal.ts";

const HEADER_BYTES = 48;

/**
 * The first qcow: same magic as qcow2, version 1.
 * Format: QEMU `block/qcow.c`, `struct QCowHeader`.
 */
export async function inspectQcow({ head }: Probe): Promise<Match<"qcow", never> | undefined> {
  if (!hasBytes(head, 0, "QFI\xfb\0\0\0\x01")) return undefined;
  const message = "is a qcow image of version 1, a format that is not accepted; convert it to qcow2";
  return {
    format: "qcow",
    virtualSize: head.length >= HEADER_BYTES ? new Fields(head, "big-endian").u64(24) : undefined,
    refusals: [refusal("QcowUnsupported", message)],
  };
}
