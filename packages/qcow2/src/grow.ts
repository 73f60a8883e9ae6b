import { ClusterAllocator } from "./cluster-allocator.ts";
import { readPadded, writeFully } from "./file-io.ts";
import { clustersFor, l1EntriesFor, requireVirtualSize } from "./geometry.ts";
import { ENTRY } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

const refuse = (reason: string, message: string): Qcow2Error =>
  new Qcow2Error("Qcow2Unsupported", reason, message);

/**
 * Makes the guest's disk larger; the new part reads as zero. Durable when it resolves; after a crash the image has the
 * old size or the new one, and at worst clusters that `qemu-img check` reports as leaked. Idempotent.
 *
 * @param options - `backingSize`: bytes that the backing file shows; needed if there is one
 * @throws Qcow2Error
 * - `Qcow2RequestInvalid`: smaller than now, or more than QEMU opens
 * - `Qcow2Unsupported`: internal snapshots, bitmaps, or a backing file that would show in the new part
 */
export async function grow(
  image: Qcow2File,
  virtualSize: bigint,
  options: { backingSize?: bigint } = {},
): Promise<void> {
  const { header, geometry } = image;
  requireVirtualSize(virtualSize, geometry);
  if (virtualSize < header.virtualSize) {
    throw new Qcow2Error("Qcow2RequestInvalid", "shrink", "a disk only grows; shrinking would cut off data");
  }
  if (virtualSize === header.virtualSize) return;
  if (header.snapshots > 0) throw refuse("snapshots", "an image with internal snapshots is not grown here");
  if (header.autoclear !== 0n) throw refuse("bitmaps", "an image with bitmaps is not grown here");
  if (header.backing !== undefined && (options.backingSize ?? virtualSize) > header.virtualSize) {
    throw refuse(
      "backing-beyond-end",
      "the backing file is larger than the disk and would show in the new part",
    );
  }

  const needed = l1EntriesFor(virtualSize, geometry);
  const { l1 } = header;
  const room = (clustersFor(l1.entries * ENTRY, geometry) * geometry.clusterSize) / ENTRY;
  if (needed <= room) {
    const entries = Math.max(needed, l1.entries);
    const unused = new Uint8Array((entries - l1.entries) * ENTRY);
    await writeFully(image.handle, unused, l1.offset + l1.entries * ENTRY);
    await image.handle.datasync();
    await image.replaceHeader({ ...header, virtualSize, l1: { offset: l1.offset, entries } });
    await image.handle.datasync();
    return;
  }
  await moveL1(image, virtualSize, needed);
}

async function moveL1(image: Qcow2File, virtualSize: bigint, entries: number): Promise<void> {
  const { header, geometry, handle } = image;
  const allocator = await ClusterAllocator.open(image);
  const offset = allocator.take(clustersFor(entries * ENTRY, geometry));
  // What follows in the file is a hole: entries that are zero.
  const table = await readPadded(handle, header.l1.offset, header.l1.entries * ENTRY);
  const refcountTable = await allocator.flush();
  await writeFully(handle, table, offset);
  await handle.datasync();
  await image.replaceHeader({ ...header, virtualSize, l1: { offset, entries }, refcountTable });
  await handle.datasync();
  if (header.l1.entries > 0) {
    allocator.giveBack(header.l1.offset, clustersFor(header.l1.entries * ENTRY, geometry));
  }
  await allocator.release();
  await handle.datasync();
}
