import { closeSync, ftruncateSync, openSync } from "node:fs";
import { type CommandCost, measureCommand, SECRET_PATH } from "../harness/command.ts";

/** Debian's `cryptsetup` is in sbin, which an ordinary user's search path lacks. */
const ENV = { PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin` };

/** `cryptsetup luksFormat --type luks1` of a file, which is made before the clock starts. */
export function luksFormat(
  path: string,
  bytes: number,
  secret: Uint8Array,
  options: readonly string[],
): Promise<CommandCost> {
  const fd = openSync(path, "wx", 0o600);
  try {
    ftruncateSync(fd, bytes);
  } finally {
    closeSync(fd);
  }
  const args = ["luksFormat", "--batch-mode", "--type", "luks1", ...options, "--key-file", SECRET_PATH, path];
  return measureCommand({ file: "cryptsetup", args, secret, env: ENV });
}

/** `cryptsetup open --test-passphrase`: starts and unlocks, and maps nothing. */
export function testPassphrase(path: string, secret: Uint8Array): Promise<CommandCost> {
  const args = ["open", "--test-passphrase", "--type", "luks1", "--key-file", SECRET_PATH, path];
  return measureCommand({ file: "cryptsetup", args, secret, env: ENV });
}
