import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DmKernelInfo } from "./dm-kernel.ts";

const NAMES =
  "lvs vgs pvs lvm lvcreate lvremove lvchange lvextend lvresize lvrename vgcreate vgremove vgchange pvcreate pvremove dmsetup cryptsetup blockdev";

/** Programs for this machine's PATH that run those of the same names in the guest. */
export async function writeShims({ commandDirectory, socket }: DmKernelInfo): Promise<void> {
  await mkdir(commandDirectory);
  const shim = join(import.meta.dirname, "shim.ts");
  for (const name of NAMES.split(" ")) {
    const script = `#!/bin/sh\nexec '${process.execPath}' '${shim}' '${socket}' ${name} "$@"\n`;
    await writeFile(join(commandDirectory, name), script, { mode: 0o755 });
  }
}
