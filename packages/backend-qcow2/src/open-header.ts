import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import {
  type DiskIdentity,
  type HeaderStore,
  identityOf,
  isLuksmithError,
  LuksmithError,
  openExisting,
  sameIdentity,
} from "@luksmith/core";
import { type LuksArea, Qcow2File } from "@luksmith/qcow2";
import { lostHeader } from "./lost-header.ts";

/**
 * Opens the LUKS area of an encrypted image.
 * @param expected what must be open in the end, whatever has its name by then: the disk is going to be erased, so an
 *   image too damaged to name its area is no hindrance
 * @throws `DiskNotFound`, `DiskReplaced` (also for an image that is not encrypted), `Qcow2HeaderInvalid` and its kin
 */
export async function openHeader(path: string, expected?: DiskIdentity): Promise<HeaderStore> {
  const handle = await openExisting(path, constants.O_RDWR);
  try {
    if (expected && !sameIdentity(identityOf(await handle.stat({ bigint: true })), expected)) {
      throw replaced(path, "was replaced just now");
    }
    const area = await luksArea(handle).catch((error: unknown) => {
      if (expected && isLuksmithError(error) && error.category !== "input") return undefined;
      throw error;
    });
    if (area) return area;
    if (expected) return await lostHeader(handle, () => handle.close());
    throw replaced(path, "is a qcow2 image without encryption");
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function luksArea(handle: FileHandle): Promise<LuksArea | undefined> {
  return (await Qcow2File.open(handle)).luksArea(() => handle.close());
}

function replaced(path: string, why: string): LuksmithError {
  return new LuksmithError("DiskReplaced", `${path} ${why}; nothing was touched`, { details: { path } });
}
