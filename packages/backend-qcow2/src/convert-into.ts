import {
  type ImageServices,
  type NewFile,
  type OpContext,
  type SnapshotTarget,
  toolSpaceError,
} from "@luksmith/core";
import type { ExportSource } from "./export-qcow2.ts";

import type { Qcow2File } from "@luksmith/qcow2";
import { diskOptions, QemuSecrets } from "./qemu-options.ts";
import { toolProgress } from "./tool-progress.ts";

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
  const secrets = new QemuSecrets();
  const source = diskOptions(path, unlocked, secrets);
  const keySecret = target.passphrase && `key-secret=${secrets.add(target.passphrase)}`;
  const output = `file.driver=file,file.filename=/dev/fd/${3 + secrets.fds.length}`;
  const args = [
    "convert",
    "-p",
    "-n",
    ...secrets.args,
    "--image-opts",
    source,
    "--target-image-opts",
    [...targetDriver(target, keySecret), output].join(","),
  ];
  const onStdout = toolProgress(`copy ${disk.name}`, image.virtualSize, ctx);
  const { fd } = file.handle;
  const timeoutMs = policy.commandTimeoutMs;
  try {
    await commands.run(
      { file: "qemu-img", args, secretFds: secrets.fds, inheritFds: [fd], timeoutMs, onStdout },
      ctx,
    );
  } catch (error) {
    throw toolSpaceError(
      error,
      `there is no room for ${disk.name} at ${target.path}; what was begun was undone`,
    );
  }
}

function targetDriver({ format }: SnapshotTarget, keySecret: string | undefined): readonly string[] {
  if (format === "qcow2") return ["driver=qcow2", ...(keySecret ? [`encrypt.${keySecret}`] : [])];
  return keySecret ? ["driver=luks", keySecret] : ["driver=raw"];
}
