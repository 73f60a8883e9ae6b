import { closeSync, openSync, readSync } from "node:fs";
import { run } from "./shell.ts";

/** A disk in the form `luksmith create --json` gives. */
export interface Disk {
  readonly name: string;
  readonly path: string;
  readonly format: string;
  readonly virtual_size: number;
  readonly encrypted: boolean;
  readonly encryption_secret_uuid: string;
  readonly xml: string;
}

/** cryptsetup, which we did not write, opens the container with this passphrase. */
export function cryptsetupOpens(disk: Disk, passphrase: Buffer): boolean {
  const args = ["open", "--test-passphrase", "--type", "luks1", "--key-file=-", disk.path];
  return run("cryptsetup", args, { input: passphrase }).status === 0;
}

/** QEMU's own LUKS driver reads the first sector. */
export function qemuOpens(disk: Disk, passphrase: Buffer): boolean {
  return qemuIo(disk, passphrase, "read 0 512").status === 0;
}

/** Writes text through QEMU's encryption, at a place no file system uses. */
export function writeCanary(disk: Disk, passphrase: Buffer, byte: number): void {
  const at = disk.virtual_size - 4096;
  const { status, stderr } = qemuIo(disk, passphrase, `write -P ${byte} ${at} 4096`);
  if (status !== 0) throw new Error(`qemu-io could not write: ${stderr}`);
}

export function readsCanary(disk: Disk, passphrase: Buffer, byte: number): boolean {
  return qemuIo(disk, passphrase, `read -P ${byte} ${disk.virtual_size - 4096} 4096`).status === 0;
}

/** Whether the raw bytes of a file hold a pattern; reads all of it. */
export function contains(path: string, pattern: Buffer): boolean {
  const fd = openSync(path, "r");
  try {
    const chunk = Buffer.alloc(4 << 20);
    let kept = 0;
    for (;;) {
      const read = readSync(fd, chunk, kept, chunk.length - kept, null);
      if (read === 0) return false;
      if (chunk.subarray(0, kept + read).includes(pattern)) return true;
      kept = Math.min(pattern.length - 1, kept + read);
      chunk.copyWithin(0, chunk.length - kept);
    }
  } finally {
    closeSync(fd);
  }
}

/** The image's bytes, as QEMU decrypts them from the disk, are the image's bytes. */
export function holdsImage(disk: Disk, passphrase: Buffer, image: string, bytes: number): boolean {
  const decrypted = `driver=raw,size=${bytes},file.driver=luks,file.key-secret=s,file.file.driver=file,file.file.filename=${disk.path}`;
  const args = [
    "compare",
    ...secretObject(),
    "--image-opts",
    decrypted,
    `driver=raw,file.driver=file,file.filename=${image}`,
  ];
  return run("qemu-img", args, { secrets: [passphrase] }).status === 0;
}

function qemuIo(disk: Disk, passphrase: Buffer, command: string): ReturnType<typeof run> {
  return run("qemu-io", [...secretObject(), "--image-opts", luks(disk), "-c", command], {
    secrets: [passphrase],
  });
}

function luks(disk: Disk): string {
  return `driver=luks,key-secret=s,file.driver=file,file.filename=${disk.path}`;
}

function secretObject(): string[] {
  return ["--object", "secret,id=s,file=/dev/fd/3"];
}
