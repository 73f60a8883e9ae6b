import {
  type BackingSource,
  type ImageServices,
  LuksmithError,
  type OpContext,
  type Passphrase,
} from "@luksmith/core";
import { baseOptions, diskOptions, QemuSecrets, type Unlocked } from "./qemu-options.ts";
import { toolSpaceError } from "./tool-space-error.ts";

/**
 * Copies into an overlay what it has of its base, and cuts it off, in place: until its header is written, at the very
 * end, it is the same disk on the same base, so one that was interrupted is done again.
 */
export async function absorbBase(
  path: string,
  unlocked: Unlocked,
  label: string,
  { commands, policy }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const secrets = new QemuSecrets();
  const image = diskOptions(path, unlocked, secrets);
  const args = ["rebase", ...secrets.args, "--image-opts", "-b", "", image];
  const timeoutMs = policy.commandTimeoutMs;
  try {
    await commands.run({ file: "qemu-img", args, secretFds: secrets.fds, timeoutMs }, ctx);
  } catch (error) {
    throw toolSpaceError(error, `there is no room to flatten ${label}; it is as it was, free space`);
  }
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
  const args = ["compare", "-q", ...secrets.args, "--image-opts", ...images];
  const timeoutMs = policy.commandTimeoutMs;
  const compare = { file: "qemu-img", args, secretFds: secrets.fds, timeoutMs, okExitCodes: [1] };
  const same = from.virtualSize === to.virtualSize && (await commands.run(compare, ctx)).exitCode === 0;
  if (same) return;
  throw new LuksmithError(
    "DiskReplaced",
    `${to.file} does not show the same bytes as ${from.file}, the base of ${label}; nothing was touched`,
    { details: { base: from.file, other: to.file } },
  );
}
