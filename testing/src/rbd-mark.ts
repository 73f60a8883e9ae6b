import type { Passphrase } from "@luksmith/core";
import type { CephEnv } from "@luksmith/testing-services";
import { type QemuRbd, qemuRbdIo } from "./oracles/qemu-rbd.ts";

const PLACE = "0x5a 1M 64k";

/** A disk of the shared cluster's pool as QEMU opens it while its guest is off. */
export function diskAsQemu(
  ceph: CephEnv,
  { path }: { readonly path: string },
  passphrase: Passphrase,
): QemuRbd {
  return { ceph, image: path.split("/").at(-1) ?? "", passphrase };
}

/** Puts something on a disk, by QEMU and with its passphrase. */
export async function writeMark(disk: QemuRbd): Promise<void> {
  await qemuRbdIo(disk, [`write -P ${PLACE}`, "flush"]);
}

export async function holdsMark(disk: QemuRbd): Promise<boolean> {
  return await qemuRbdIo(disk, [`read -P ${PLACE}`]).then(
    () => true,
    (error: unknown) => {
      if (String(error).includes("Pattern verification failed")) return false;
      throw error;
    },
  );
}
