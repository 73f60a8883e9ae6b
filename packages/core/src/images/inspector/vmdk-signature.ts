import { hasBytes } from "./fields.ts";

/** What stands at the start of a file that some tool takes for VMDK. */
export type VmdkSignature = "sparse" | "cowd" | "sesparse" | "descriptor";

/** QEMU probes a file's first sector or so; text in front of the version line may only be blank or a comment. */
const VERSION_LINE = /^(?:#[^\n]*\n| *\r?\n)*version=[123]\r?\n/u;
const SEARCHED_BYTES = 64 * 1024;

/**
 * Recognises what QEMU (`block/vmdk.c`, `vmdk_probe`) and VMware recognise, and text that names a create type: readers
 * that are told "vmdk" open it.
 */
export function vmdkSignature(head: Uint8Array): VmdkSignature | undefined {
  if (hasBytes(head, 0, "KDMV")) return "sparse";
  if (hasBytes(head, 0, "COWD")) return "cowd";
  if (hasBytes(head, 0, "\xbe\xba\xfe\xca\0\0\0\0")) return "sesparse";
  const first = head[0];
  if (first === undefined || first > 0x7e) return undefined;
  const start = Buffer.from(head.subarray(0, SEARCHED_BYTES)).toString("latin1");
  // QEMU's probe looks behind zeros, which end the text for all others.
  if (/^# *disk *descriptorfile/iu.test(start) || VERSION_LINE.test(start)) return "descriptor";
  const [text = ""] = start.split("\0", 1);
  return /^createtype *= *"/imu.test(text) && /^[\t\n\r\x20-\x7e]*$/u.test(text) ? "descriptor" : undefined;
}
