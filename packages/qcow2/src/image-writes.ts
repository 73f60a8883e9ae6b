import type { FormattedContainer } from "@luksmith/luks";
import type { FileHandle } from "node:fs/promises";
import { writeFully } from "./file-io.ts";
import { ENTRY, REFCOUNT_BYTES, SECTOR } from "./layout.ts";
import type { ImagePlan } from "./plan-image.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Bytes that belong at an offset of the image file. */
export interface ImageWrite {
  offset: number;
  bytes: Uint8Array;
}

/**
 * Everything of a new image that is not zero. The file is empty before and has `plan.fileLength` bytes afterwards.
 *
 * @param container - for a plan with a LUKS area, formatted with that area's length as payload offset
 * @throws Qcow2Error `Qcow2RequestInvalid` if plan and container do not belong together
 */
export function imageWrites(
  plan: ImagePlan,
  container?: Pick<FormattedContainer, "header" | "writes">,
): ImageWrite[] {
  const { luks, refcountTable } = plan.header;
  const payload = container === undefined ? undefined : container.header.payloadOffset * SECTOR;
  if (luks?.length !== payload) {
    throw new Qcow2Error(
      "Qcow2RequestInvalid",
      "container",
      `the LUKS area has ${luks?.length ?? 0} bytes, the container's header ${payload ?? 0}`,
    );
  }
  const at = luks?.offset ?? 0;
  return [
    { offset: 0, bytes: plan.headerBytes },
    { offset: refcountTable.offset, bytes: refcountTableOf(plan) },
    { offset: plan.refcountBlocks.offset, bytes: new Uint8Array(plan.clusters * REFCOUNT_BYTES).map(odd) },
    ...(container?.writes ?? []).map(({ offset, bytes }) => ({ offset: at + offset, bytes })),
  ];
}

/** Refcounts of 1 in big-endian bytes: every other byte is one. */
function odd(_byte: number, at: number): number {
  return at % REFCOUNT_BYTES;
}

function refcountTableOf({ refcountBlocks, geometry: { clusterSize } }: ImagePlan): Uint8Array {
  const blocks = refcountBlocks.length / clusterSize;
  const bytes = new Uint8Array(blocks * ENTRY);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < blocks; i++) {
    view.setBigUint64(i * ENTRY, BigInt(refcountBlocks.offset + i * clusterSize));
  }
  return bytes;
}

/**
 * Writes a new image into an empty file; the caller syncs it. What is zero stays a hole.
 *
 * @throws Qcow2Error `Qcow2RequestInvalid`, or the error of the system call
 */
export async function createImage(
  file: FileHandle,
  plan: ImagePlan,
  container?: Pick<FormattedContainer, "header" | "writes">,
): Promise<void> {
  const writes = imageWrites(plan, container);
  await file.truncate(Number(plan.fileLength));
  await Promise.all(writes.map(({ offset, bytes }) => writeFully(file, bytes, offset)));
}
