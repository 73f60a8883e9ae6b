import {
  type BackingSource,
  type ImageServices,
  LuksmithError,
  type OpContext,
  type Passphrase,
  toolSpaceError,
} from "@luksmith/core";
import { basename } from "node:path";
import type { Qcow2File } from "@luksmith/qcow2";
import { baseOptions, diskOptions, QemuSecrets, type Unlocked } from "./qemu-options.ts";
import { toolProgress } from "./tool-progress.ts";

/**
 * Copies into an overlay what it has of its base, and cuts it off, in place: until its header is written, at the very
 * end, it is the same disk on the same base, so one that was interrupted is done again.
 * @param image the overlay, open: qemu-img inherits the descriptor, so that one that outlives a killed agent is seen
 * (`openers`) from its first moment on
 */
export async function absorbBase(
  path: string,
  image: Qcow2File,
  unlocked: Unlocked,
  label: string,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const secrets = new QemuSecrets();
  const disk = diskOptions(path, unlocked, secrets);
  // Written through: after a power cut the header must not be newer than what it says is there.
  const args = ["rebase", "-p", "-t", "writethrough", ...secrets.args, "--image-opts", "-b", "", disk];
  const timeoutMs = policy.commandTimeoutMs;
  const onStdout = toolProgress(`flatten ${basename(path)}`, image.virtualSize, ctx);
  const inheritFds = [image.handle.fd];
  try {
    await commands.run(
      { file: "qemu-img", args, secretFds: secrets.fds, inheritFds, timeoutMs, onStdout },
      ctx,
    );
  } catch (error) {
    throw toolSpaceError(error, `there is no room to flatten ${label}; it is as it was, free space`);
  }
}

/** Frees clusters that nothing refers to; qemu-img changes nothing else by that. */
export async function freeLostClusters(
  path: string,
  unlocked: Unlocked,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const secrets = new QemuSecrets();
  const disk = diskOptions(path, unlocked, secrets);
  const args = ["check", "-q", "-r", "leaks", ...secrets.args, "--image-opts", disk];
  await commands.run(
    { file: "qemu-img", args, secretFds: secrets.fds, timeoutMs: policy.commandTimeoutMs },
    ctx,
  );
}

/**
 * Makes sure that two bases, of one secret or none, show the same bytes.
 * @throws `DiskReplaced`
 */
export async function requireSameBytes(
  from: BackingSource,
  to: BackingSource,
  passphrase: Passphrase | undefined,
  label: string,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const secrets = new QemuSecrets();
  const images = [from, to].map((base) => baseOptions(base, passphrase, secrets));
  const args = ["compare", "-p", ...secrets.args, "--image-opts", ...images];
  const onStdout = toolProgress("compare bases", BigInt(from.virtualSize), ctx);
  const timeoutMs = policy.commandTimeoutMs;
  const compare = { file: "qemu-img", args, secretFds: secrets.fds, timeoutMs, onStdout, okExitCodes: [1] };
  const same = from.virtualSize === to.virtualSize && (await commands.run(compare, ctx)).exitCode === 0;
  if (same) return;
  throw new LuksmithError(
    "DiskReplaced",
    `${to.file} does not show the same bytes as ${from.file}, the base of ${label}; nothing was touched`,
    { details: { base: from.file, other: to.file } },
  );
}
