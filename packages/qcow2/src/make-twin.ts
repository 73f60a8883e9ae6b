import type { FormattedContainer } from "@luksmith/luks";
import type { FileHandle } from "node:fs/promises";
import { readPadded, writeFully } from "./file-io.ts";
import type { HostRange } from "./header.ts";
import { ENTRY } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Bytes that are in memory at once. */
const CHUNK = 4 * 1024 * 1024;

/**
 * Makes an image with the tables of another, and so with its clusters in the same places, but with a LUKS header of its own. The guest's
 * clusters are holes, to be filled by whoever asks; the caller syncs. An encrypted cluster's sectors are numbered by its place in the file, so
 * that each is decrypted and encrypted where it is.
 *
 * @param to - empty, open for writing
 * @param writes - of the container, from the beginning of the LUKS area
 * @throws Qcow2Error `Qcow2Unsupported`: internal snapshots, bitmaps, compressed clusters; `Qcow2TableInvalid`
 */
export async function makeTwin(
  image: Qcow2File,
  to: FileHandle,
  writes: FormattedContainer["writes"],
): Promise<void> {
  const { header, handle, fileSize } = image;
  const { luks } = header;
  if (!luks) throw unsupported("plain", "this image is not encrypted");
  if (header.snapshots > 0) throw unsupported("snapshots", "this image has internal snapshots");
  if (header.autoclear !== 0n) throw unsupported("bitmaps", "this image has bitmaps");
  for await (const { kind } of image.runs())
    if (kind === "compressed") throw unsupported("compressed", "this image has compressed clusters");
  const needed = Math.max(...writes.map(({ offset, bytes }) => offset + bytes.length));
  if (needed > luks.length) throw unsupported("luks-length", `its LUKS area has only ${luks.length} bytes`);
  for await (const range of metadata(image)) {
    for (let at = 0; at < range.length; at += CHUNK) {
      const length = Math.min(CHUNK, range.length - at, fileSize - range.offset - at);
      if (length <= 0) break;
      await writeFully(to, await readPadded(handle, range.offset + at, length), range.offset + at);
    }
  }
  for (const { offset, bytes } of writes) await writeFully(to, bytes, luks.offset + offset);
  await to.truncate(fileSize);
}

/** All that an image's tables are, none of them a guest's cluster. */
async function* metadata(image: Qcow2File): AsyncGenerator<HostRange, void> {
  const { header, geometry, entries, pages } = image;
  const { clusterSize } = geometry;
  yield { offset: 0, length: clusterSize };
  const table = { offset: header.refcountTable.offset, length: header.refcountTable.clusters * clusterSize };
  yield table;
  for (let at = 0; at < table.length; at += ENTRY) {
    const { view, at: entry } = await pages.at(table.offset + at);
    const block = entries.l1(view, entry);
    if (block !== 0) yield { offset: block, length: clusterSize };
  }
  yield { offset: header.l1.offset, length: header.l1.entries * ENTRY };
  for (let i = 0; i < header.l1.entries; i++) {
    const { table: l2 } = await image.l2Table(i, 1);
    if (l2 !== 0) yield { offset: l2, length: clusterSize };
  }
}

function unsupported(reason: string, message: string): Qcow2Error {
  return new Qcow2Error("Qcow2Unsupported", reason, `${message}; no twin of it can be made`);
}
