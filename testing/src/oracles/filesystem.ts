import { runTool } from "../run-tool.ts";

/** How each file system is checked, reading only. */
const CHECKS: Readonly<Record<string, readonly string[]>> = {
  ext2: ["e2fsck", "-fn"],
  ext3: ["e2fsck", "-fn"],
  ext4: ["e2fsck", "-fn"],
  xfs: ["xfs_repair", "-n", "-f"],
  vfat: ["fsck.vfat", "-n"],
  ntfs: ["ntfsfix", "-n"],
};

/** Throws unless the plain image at `path` holds a faultless file system of that type. */
export async function checkFilesystem(path: string, type: string): Promise<void> {
  const [tool, ...args] = CHECKS[type] ?? [];
  if (tool === undefined) return; // swap has no checker; blkid judges it
  await runTool(tool, [...args, path]);
}

export interface Probe {
  readonly type: string | undefined;
  readonly label: string | undefined;
}

/** What `blkid -p` sees in a plain image. */
export async function probe(path: string): Promise<Probe> {
  const { stdout } = await runTool("blkid", ["-p", "-o", "export", path], { okExitCodes: [0, 2] });
  const value = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, "m").exec(stdout)?.[1];
  return { type: value("TYPE"), label: value("LABEL") ?? value("LABEL_FATBOOT") };
}
