import { constants } from "node:fs";
import { openExisting } from "@luksmith/core";
import { Qcow2File } from "@luksmith/qcow2";

/**
 * Opens an image for the time of `use`.
 * @throws `DiskNotFound`, `Qcow2HeaderInvalid` and its kin
 */
export async function withImage<T>(
  path: string,
  mode: "read" | "write",
  use: (image: Qcow2File) => Promise<T>,
): Promise<T> {
  const handle = await openExisting(path, mode === "read" ? constants.O_RDONLY : constants.O_RDWR);
  try {
    return await use(await Qcow2File.open(handle));
  } finally {
    await handle.close();
  }
}
