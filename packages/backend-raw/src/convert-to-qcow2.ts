import {
  type ImageDisk,
  type ImageServices,
  isLuksmithError,
  type OpContext,
  type Passphrase,
  type SnapshotTarget,
  toolSpaceError,
} from "@luksmith/core";
import type { DiskBytes } from "./export-disk.ts";

/** QEMU's PBKDF2 calibration now and then reads a CPU clock that has not ticked yet, and gives up. */
const CALIBRATION_FAULT = /Unable to get accurate CPU usage/;
const TRIES = 6;

/**
 * Copies a disk to a qcow2 file with qemu-img, which decrypts and encrypts itself; passphrases reach it as inherited
 * descriptors.
 * @param output the new file's descriptor. qemu-img gets no name: one that outlives a killed agent would otherwise make
 * again the file that recovery has removed
 */
export async function convertToQcow2(
  from: DiskBytes,
  disk: ImageDisk,
  output: number,
  target: SnapshotTarget,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const secretFds: Passphrase[] = [];
  const objects: string[] = [];
  const secret = (id: string, passphrase: Passphrase): string => {
    secretFds.push(passphrase);
    objects.push("--object", `secret,id=${id},file=/dev/fd/${2 + secretFds.length}`);
    return id;
  };
  const file = `file.driver=file,file.filename=${from.path.replaceAll(",", ",,")}`;
  const source = from.unlocked
    ? `driver=luks,key-secret=${secret("source", from.unlocked.passphrase)},${file}`
    : `driver=raw,${file}`;
  // The passphrase is random: QEMU's shortest calibration is as safe as its longest.
  const encryption = target.passphrase
    ? [
        "-o",
        `encrypt.format=luks,encrypt.key-secret=${secret("target", target.passphrase)},encrypt.iter-time=10`,
      ]
    : [];
  // Inherited descriptors come after the secrets'.
  const outputName = `/dev/fd/${3 + secretFds.length}`;
  const args = [
    "convert",
    "-p",
    ...objects,
    "--image-opts",
    source,
    "-O",
    "qcow2",
    ...encryption,
    outputName,
  ];
  const report = (doneBytes: bigint): void =>
    ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes: from.length });
  report(0n);
  const onStdout = (text: string): void => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
    if (percent) report((from.length * BigInt(Math.round(Number(percent) * 100))) / 10_000n);
  };
  for (let attempt = 1; ; attempt++) {
    try {
      await commands.run(
        {
          file: "qemu-img",
          args,
          secretFds,
          inheritFds: [output],
          timeoutMs: policy.commandTimeoutMs,
          onStdout,
        },
        ctx,
      );
      return;
    } catch (error) {
      if (attempt < TRIES && isLuksmithError(error) && CALIBRATION_FAULT.test(error.message)) continue;
      throw toolSpaceError(
        error,
        `there is no room for the copy of ${disk.name} at ${target.path}; free space or choose another place; what was begun was given back`,
      );
    }
  }
}
