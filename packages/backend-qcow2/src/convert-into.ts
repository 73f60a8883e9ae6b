import type { ImageServices, NewFile, OpContext, Passphrase, SnapshotTarget } from "@luksmith/core";
import type { ExportSource } from "./export-qcow2.ts";
import type { Qcow2File } from "./format/index.ts";

/**
 * Copies a disk with its whole chain into a target that has its format and size already; qemu-img decrypts and encrypts.
 * Passphrases reach it as inherited descriptors, the target as one too: a qemu-img that outlives a killed agent must not
 * be able to make a file again that recovery has removed.
 */
export async function convertInto(
  { path, disk, unlocked }: ExportSource,
  image: Qcow2File,
  file: NewFile,
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
  const decrypt = unlocked ? `,encrypt.key-secret=${secret("source", unlocked.passphrase)}` : "";
  const source = `driver=qcow2${decrypt},file.driver=file,file.filename=${quote(path)}`;
  const keySecret = target.passphrase ? `key-secret=${secret("target", target.passphrase)}` : undefined;
  const output = `file.driver=file,file.filename=/dev/fd/${3 + secretFds.length}`;
  const args = [
    "convert",
    "-p",
    "-n",
    ...objects,
    "--image-opts",
    source,
    "--target-image-opts",
    [...targetDriver(target, keySecret), output].join(","),
  ];
  const total = image.virtualSize;
  const report = (doneBytes: bigint): void =>
    ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes: total });
  report(0n);
  const onStdout = (text: string): void => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)[^(]*$/.exec(text)?.[1];
    if (percent) report((total * BigInt(Math.round(Number(percent) * 100))) / 10_000n);
  };
  const { fd } = file.handle;
  const timeoutMs = policy.commandTimeoutMs;
  await commands.run({ file: "qemu-img", args, secretFds, inheritFds: [fd], timeoutMs, onStdout }, ctx);
}

function targetDriver({ format }: SnapshotTarget, keySecret: string | undefined): readonly string[] {
  if (format === "qcow2") return ["driver=qcow2", ...(keySecret ? [`encrypt.${keySecret}`] : [])];
  return keySecret ? ["driver=luks", keySecret] : ["driver=raw"];
}

/** A comma ends an option's value, two are one comma. */
function quote(path: string): string {
  return path.replaceAll(",", ",,");
}
