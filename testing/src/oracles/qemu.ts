import type { Passphrase } from "@luksmith/core";
import { runTool, type ToolResult } from "../run-tool.ts";
import { withOptionalSecret } from "../secret-file.ts";

/** A disk as QEMU is told of it; nothing is probed. */
export interface QemuDisk {
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** Absent: the disk is plain. */
  readonly passphrase?: Passphrase | undefined;
}

/** `--object` and `--image-opts` for disks whose passphrases, of those that have one, are descriptors from 3 on. */
function imageOptions(...disks: readonly QemuDisk[]): readonly string[] {
  const secrets: string[] = [];
  const images = disks.map(({ path, format, passphrase }) => {
    const file = `file.driver=file,file.filename=${path.replaceAll(",", ",,")}`;
    if (!passphrase) return `driver=${format},${file}`;
    const id = `sec${secrets.length}`;
    secrets.push(`secret,id=${id},file=/dev/fd/${3 + secrets.length}`);
    return format === "raw"
      ? `driver=luks,key-secret=${id},${file}`
      : `driver=qcow2,encrypt.key-secret=${id},${file}`;
  });
  return [...secrets.flatMap((secret) => ["--object", secret]), "--image-opts", ...images];
}

/** Runs qemu-io commands on the disk; one that fails, or a pattern that is not there, throws. */
export async function qemuIo(disk: QemuDisk, commands: readonly string[]): Promise<string> {
  const list = commands.flatMap((command) => ["-c", command]);
  const { stdout, stderr } = await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-io", [...imageOptions(disk), ...list], { fds }),
  );
  const output = stdout + stderr;
  if (/fail/i.test(output)) throw new Error(`qemu-io ${commands.join("; ")}: ${output}`);
  return output;
}

/** Whether QEMU opens the disk for a guest; anything but yes or a refused passphrase throws. */
export async function qemuOpens(disk: QemuDisk): Promise<boolean> {
  // Not qemu-img info: it does not unlock.
  const result = await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-io", ["-r", ...imageOptions(disk), "-c", "read 0 512"], { fds, okExitCodes: [0, 1] }),
  );
  const output = result.stdout + result.stderr;
  if (/^read 512\/512 bytes/m.test(output)) return true;
  if (/Invalid password/.test(output)) return false;
  throw new Error(`qemu-io ${disk.path}: ${output}`);
}

export interface QemuInfo {
  readonly format: string;
  readonly "virtual-size": number;
  readonly encrypted?: boolean;
  readonly "backing-filename"?: string;
}

/** What `qemu-img info` says of a disk opened with its passphrase. */
export async function qemuImgInfo(disk: QemuDisk): Promise<QemuInfo> {
  const { stdout } = await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-img", ["info", "--output=json", ...imageOptions(disk)], { fds }),
  );
  return JSON.parse(stdout) as QemuInfo;
}

/** Writes the guest's view of a disk to a plain file. */
export async function qemuDecrypt(disk: QemuDisk, target: string): Promise<void> {
  await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-img", ["convert", ...imageOptions(disk), "-O", "raw", target], { fds }),
  );
}

/** `qemu-img check` of a qcow2 file: throws on leaks and corruption. */
export function qemuCheck(disk: QemuDisk): Promise<ToolResult> {
  return withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-img", ["check", ...imageOptions(disk)], { fds }),
  );
}

/** `qemu-img compare`: whether a guest would see the same bytes, to the end, in both. */
export async function qemuEqual(one: QemuDisk, other: QemuDisk): Promise<boolean> {
  const args = ["compare", ...imageOptions(one, other)];
  const { exitCode } = await withOptionalSecret(one.passphrase, (first) =>
    withOptionalSecret(other.passphrase, (second) =>
      runTool("qemu-img", args, { fds: [...first, ...second], okExitCodes: [0, 1] }),
    ),
  );
  return exitCode === 0;
}
