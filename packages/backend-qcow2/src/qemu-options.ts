import type { BackingSource, Passphrase } from "@luksmith/core";

/** Passphrases that a tool of QEMU gets, as descriptors from 3 on. */
export class QemuSecrets {
  readonly fds: Passphrase[] = [];
  /** `--object` for each. */
  readonly args: string[] = [];

  /** @returns what a `key-secret` names it by */
  add(passphrase: Passphrase): string {
    const id = `secret${this.fds.push(passphrase)}`;
    this.args.push("--object", `secret,id=${id},file=/dev/fd/${2 + this.fds.length}`);
    return id;
  }
}

/** QEMU's options for a local file; nothing in its name is an option, a protocol or a format. */
export function fileOptions(path: string): string {
  // A comma ends an option's value, two are one comma.
  return `file.driver=file,file.filename=${path.replaceAll(",", ",,")}`;
}

/** A base, decrypted. */
export function baseOptions(
  base: BackingSource,
  passphrase: Passphrase | undefined,
  secrets: QemuSecrets,
): string {
  const decrypt = passphrase ? `,${keySecret(base.format, secrets.add(passphrase))}` : "";
  return `driver=${driverOf(base)}${decrypt},${fileOptions(base.file)}`;
}

/** A disk, decrypted, with what it stands on. */
export function diskOptions(
  path: string,
  { passphrase, basePassphrase, base }: Unlocked,
  secrets: QemuSecrets,
): string {
  const decrypt = passphrase ? `,${keySecret("qcow2", secrets.add(passphrase))}` : "";
  const below =
    base && basePassphrase ? `,backing.${keySecret(base.format, secrets.add(basePassphrase))}` : "";
  return `driver=qcow2${decrypt}${below},${fileOptions(path)}`;
}

/** What opens a disk and its base. */
export interface Unlocked {
  /** Absent: the disk is plain. */
  readonly passphrase: Passphrase | undefined;
  readonly base: BackingSource | undefined;
  /** Absent: the base is plain. */
  readonly basePassphrase: Passphrase | undefined;
}

/** QEMU's driver of a base, which is also the format that an overlay's header names. */
export function driverOf({ format, secretId }: Pick<BackingSource, "format" | "secretId">): string {
  return format === "raw" && secretId !== undefined ? "luks" : format;
}

function keySecret(format: "raw" | "qcow2", id: string): string {
  return format === "qcow2" ? `encrypt.key-secret=${id}` : `key-secret=${id}`;
}
