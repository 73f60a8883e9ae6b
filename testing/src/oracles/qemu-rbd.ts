import type { Passphrase } from "@luksmith/core";
import type { CephEnv } from "@luksmith/testing-services";
import { runTool } from "../run-tool.ts";
import { withOptionalSecret } from "../secret-file.ts";

/** A disk in Ceph as QEMU is told of it; nothing is probed. */
export interface QemuRbd {
  readonly ceph: CephEnv;
  readonly image: string;
  readonly namespace?: string;
  /** Absent: the disk is plain. */
  readonly passphrase?: Passphrase | undefined;
  /** Who decrypts. */
  readonly engine?: "qemu" | "librbd";
}

/** For `--image-opts`, with a passphrase as descriptor 3. */
function imageOptions({ ceph, image, namespace, passphrase, engine }: QemuRbd): readonly string[] {
  const where = {
    pool: ceph.pool,
    image,
    user: ceph.user,
    conf: ceph.conf,
    ...(namespace ? { namespace } : {}),
  };
  const options = (prefix: string): string =>
    Object.entries(where)
      .map(([name, value]) => `${prefix}${name}=${value}`)
      .join(",");
  if (!passphrase) return ["--image-opts", `driver=rbd,${options("")}`];
  const disk =
    engine === "librbd"
      ? `driver=rbd,${options("")},encrypt.format=luks,encrypt.key-secret=sec0`
      : `driver=luks,key-secret=sec0,file.driver=rbd,${options("file.")}`;
  return ["--object", "secret,id=sec0,file=/dev/fd/3", "--image-opts", disk];
}

/** Runs qemu-io commands on the disk; one that fails, or a pattern that is not there, throws. */
export async function qemuRbdIo(disk: QemuRbd, commands: readonly string[]): Promise<string> {
  const list = commands.flatMap((command) => ["-c", command]);
  const { stdout, stderr } = await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-io", [...imageOptions(disk), ...list], { fds }),
  );
  const output = stdout + stderr;
  if (/fail/i.test(output)) throw new Error(`qemu-io ${commands.join("; ")}: ${output}`);
  return output;
}

/** Whether the disk opens; anything but yes or a refused passphrase throws. */
export async function qemuRbdOpens(disk: QemuRbd): Promise<boolean> {
  const result = await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-io", ["-r", ...imageOptions(disk), "-c", "read 0 512"], { fds, okExitCodes: [0, 1] }),
  );
  const output = result.stdout + result.stderr;
  if (/^read 512\/512 bytes/m.test(output)) return true;
  if (/Invalid password|encryption load fail/.test(output)) return false;
  throw new Error(`qemu-io ${disk.image}: ${output}`);
}

/** Writes the guest's view of a disk to a plain file. */
export async function qemuRbdDecrypt(disk: QemuRbd, target: string): Promise<void> {
  await withOptionalSecret(disk.passphrase, (fds) =>
    runTool("qemu-img", ["convert", ...imageOptions(disk), "-O", "raw", target], { fds }),
  );
}
