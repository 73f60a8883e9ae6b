import { rmSync } from "node:fs";
import { CommandFailure, type CommandCost, measureCommand, SECRET_PATH } from "../harness/command.ts";

const SECRET = ["--object", `secret,id=key,file=${SECRET_PATH}`] as const;
/** See `qemu.ts`: QEMU's benchmark of PBKDF2 fails now and then, and takes the file with it. */
const FLAKY = "Unable to get accurate CPU usage";
const ATTEMPTS = 10;

/** `qemu-img create` of an encrypted qcow2 image, with QEMU's defaults; on `base`, if given, which is raw. */
export function createQcow2(
  path: string,
  bytes: number,
  secret: Uint8Array,
  base?: string,
): Promise<CommandCost> {
  const options = "encrypt.format=luks,encrypt.key-secret=key";
  const backing = base === undefined ? [] : ["-b", base, "-F", "raw"];
  const args = ["create", "-q", ...SECRET, "-f", "qcow2", "-o", options, ...backing, path, String(bytes)];
  return again(path, args, secret);
}

/** An encrypted disk of QEMU's, by its own name of the format. */
export interface EncryptedDisk {
  readonly path: string;
  readonly format: "luks" | "qcow2";
}

/** QEMU's options for one, its passphrase being the secret `key`. */
function imageOptions({ path, format }: EncryptedDisk): string {
  return `driver=${format},${format === "qcow2" ? "encrypt." : ""}key-secret=key,file.filename=${path}`;
}

/** `qemu-img convert` of an encrypted disk into another encrypted file, by the same passphrase. */
export function convertEncrypted(
  source: EncryptedDisk,
  target: string,
  format: "luks" | "qcow2",
  secret: Uint8Array,
  options: readonly string[],
  luksOptions = "",
): Promise<CommandCost> {
  const prefix = format === "qcow2" ? "encrypt." : "";
  const settings = [
    ...(format === "qcow2" ? ["encrypt.format=luks"] : []),
    `${prefix}key-secret=key`,
    ...(luksOptions === "" ? [] : [`${prefix}${luksOptions}`]),
  ];
  const args = ["convert", ...options, ...SECRET, "--image-opts", imageOptions(source)];
  return again(target, [...args, "-O", format, "-o", settings.join(","), target], secret);
}

/** `qemu-img convert -n` of a raw file into an encrypted disk that is there. */
export function fillEncrypted(
  source: string,
  target: EncryptedDisk,
  secret: Uint8Array,
): Promise<CommandCost> {
  const args = ["convert", "-n", ...SECRET, "-f", "raw", "--target-image-opts", source, imageOptions(target)];
  return measureCommand({ file: "qemu-img", args, secret });
}

async function again(path: string, args: readonly string[], secret: Uint8Array): Promise<CommandCost> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await measureCommand({ file: "qemu-img", args, secret });
    } catch (error) {
      const flaky = error instanceof CommandFailure && error.stderr.includes(FLAKY);
      if (!flaky || attempt === ATTEMPTS) throw error;
      rmSync(path, { force: true });
    }
  }
}
