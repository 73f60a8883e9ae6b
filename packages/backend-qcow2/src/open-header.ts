import { constants } from "node:fs";
import {
  type DiskIdentity,
  type HeaderStore,
  identityOf,
  LuksmithError,
  openExisting,
  sameIdentity,
} from "@luksmith/core";
import { Qcow2File } from "./format/index.ts";

/**
 * Opens the LUKS area of an encrypted image.
 * @param expected what must be open in the end, whatever has its name by then
 * @throws `DiskNotFound`, `DiskReplaced` (also for an image that is not encrypted), `Qcow2HeaderInvalid` and its kin
 */
export async function openHeader(path: string, expected?: DiskIdentity): Promise<HeaderStore> {
  const handle = await openExisting(path, constants.O_RDWR);
  try {
    const replaced = (why: string): LuksmithError =>
      new LuksmithError("DiskReplaced", `${path} ${why}; nothing was touched`, { details: { path } });
    if (expected && !sameIdentity(identityOf(await handle.stat({ bigint: true })), expected)) {
      throw replaced("was replaced just now");
    }
    const area = (await Qcow2File.open(handle)).luksArea(() => handle.close());
    if (!area) throw replaced("is a qcow2 image without encryption");
    return area;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
