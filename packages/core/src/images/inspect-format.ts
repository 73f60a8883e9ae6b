import type { FileHandle } from "node:fs/promises";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { type OpContext, throwIfCancelled } from "../image/op-context.ts";

/** What a file's first and last bytes may say it is; one of these in a "raw" image is a lie or an attack. */
const SIGNATURES: readonly { readonly name: string; readonly at: number; readonly bytes: Uint8Array }[] = [
  { name: "qcow2", at: 0, bytes: Buffer.from([0x51, 0x46, 0x49, 0xfb]) },
  { name: "qed", at: 0, bytes: Buffer.from("QED\0", "latin1") },
  { name: "vmdk", at: 0, bytes: Buffer.from("KDMV") },
  { name: "vmdk", at: 0, bytes: Buffer.from("COWD") },
  { name: "vmdk", at: 0, bytes: Buffer.from("# Disk DescriptorFile") },
  { name: "vhd", at: 0, bytes: Buffer.from("conectix") },
  { name: "vhdx", at: 0, bytes: Buffer.from("vhdxfile") },
  { name: "vdi", at: 0x40, bytes: Buffer.from([0x7f, 0x10, 0xda, 0xbe]) },
  { name: "parallels", at: 0, bytes: Buffer.from("WithoutFreeSpace") },
  { name: "parallels", at: 0, bytes: Buffer.from("WithouFreSpacExt") },
  { name: "bochs", at: 0, bytes: Buffer.from("Bochs Virtual HD Image") },
  { name: "luks", at: 0, bytes: Buffer.from("LUKS\xba\xbe", "latin1") },
];
const VHD_FOOTER = 512n;
const HEAD_BYTES = 0x8000 + 2048;

/**
 * Compares a file with what it is declared to be, before any tool sees it. Raw and iso images only, as yet; a raw
 * image may hold a partition table, never the header of another format.
 * @throws `UnsupportedImageFormat`, `ImageFormatMismatch`
 */
export async function inspectFormat(
  id: string,
  file: FileHandle,
  size: bigint,
  declared: string | null | undefined,
  ctx: OpContext,
): Promise<"raw" | "iso"> {
  throwIfCancelled(ctx);
  if (declared !== "raw" && declared !== "iso") {
    throw new LuksmithError(
      "UnsupportedImageFormat",
      `image ${id} has disk_format ${declared ?? "null"}; this version fills disks from raw and iso images only`,
      { details: { imageId: id, declared } },
    );
  }
  const head = await bytesAt(file, 0n, HEAD_BYTES);
  const found = new Set(
    SIGNATURES.filter(({ at, bytes }) => startsWith(head, at, bytes)).map(({ name }) => name),
  );
  if (
    size >= VHD_FOOTER &&
    startsWith(await bytesAt(file, size - VHD_FOOTER, 8), 0, Buffer.from("conectix"))
  ) {
    found.add("vhd");
  }
  const isIso = startsWith(head, 0x8001, Buffer.from("CD001"));
  if (declared === "iso" && !isIso) found.add("no ISO 9660 volume");
  if (declared === "raw" && isIso) found.add("iso");
  if (found.size === 0) return declared;
  const what = [...found].join(" and ");
  throw new LuksmithError(
    "ImageFormatMismatch",
    `image ${id} is declared ${declared}, but its bytes say ${what}; it is refused, correct its disk_format or convert it`,
    { details: { imageId: id, declared, found: [...found] } },
  );
}

async function bytesAt(file: FileHandle, position: bigint, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

function startsWith(bytes: Uint8Array, at: number, signature: Uint8Array): boolean {
  return (
    bytes.length >= at + signature.length &&
    Buffer.compare(bytes.subarray(at, at + signature.length), signature) === 0
  );
}
