import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { must, run } from "./shell.ts";

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

const SECRET = ["--object", "secret,id=s,file=/dev/fd/3"];

/** cryptsetup, which we did not write, opens the container with this passphrase. */
export function cryptsetupOpens(path: string, passphrase: Buffer): boolean {
  const args = ["open", "--test-passphrase", "--type", "luks1", "--key-file=-", path];
  return run("cryptsetup", args, { input: passphrase }).status === 0;
}

/** QEMU's own LUKS driver reads the first sector. */
export function qemuOpens(disk: Disk, passphrase: Buffer): boolean {
  return qemuIo(disk, passphrase, "read 0 512").status === 0;
}

/** A guest: reads the first sector, writes a page at the disk's end, which no file system uses, and reads it again. */
export function guestWrites(disk: Disk, passphrase: Buffer, byte: number): boolean {
  const at = disk.virtual_size - 4096;
  const commands = ["read 0 512", `write -P ${byte} ${at} 4096`, `read -P ${byte} ${at} 4096`];
  return qemuIo(disk, passphrase, ...commands).status === 0;
}

/** Every cluster counted once, none leaked, none lost. */
export function checksClean(disk: Disk, passphrase: Buffer): boolean {
  const args = ["check", "-q", ...SECRET, "--image-opts", decrypted(disk)];
  return run("qemu-img", args, { secrets: [passphrase] }).status === 0;
}

/** The image's bytes, as QEMU decrypts them from the disk, are the image's bytes. */
export function holdsImage(disk: Disk, passphrase: Buffer, image: string, bytes: number): boolean {
  // Beyond the image a new qcow2 disk reads as zeros, which compares equal; a raw one as noise, so only its beginning.
  const begin =
    disk.format === "qcow2" ? decrypted(disk) : `driver=raw,size=${bytes},${decrypted(disk, "file.")}`;
  const source = `driver=raw,file.driver=file,file.filename=${image}`;
  const args = ["compare", ...SECRET, "--image-opts", begin, source];
  return run("qemu-img", args, { secrets: [passphrase] }).status === 0;
}

/** Whether the raw bytes of a file hold any of these patterns; looks everywhere but in holes, which hold zeros. */
export function contains(path: string, ...patterns: readonly Buffer[]): boolean {
  const fd = openSync(path, "r");
  try {
    return dataOf(path).some(({ start, length }) => partContains(fd, start, start + length, patterns));
  } finally {
    closeSync(fd);
  }
}

/** SHA-256 of a file's bytes and of where they are, without its holes. */
export function digestOf(path: string): string {
  const hash = createHash("sha256");
  const fd = openSync(path, "r");
  try {
    for (const { start, length } of dataOf(path)) {
      const bytes = Buffer.alloc(length);
      readSync(fd, bytes, 0, length, start);
      hash.update(`${start} ${length}\n`).update(bytes);
    }
    return hash.digest("hex");
  } finally {
    closeSync(fd);
  }
}

/** The parts of a file that are not holes. Node cannot seek for them. */
function dataOf(path: string): readonly { readonly start: number; readonly length: number }[] {
  const map = must("qemu-img", ["map", "--output=json", "-f", "raw", path]);
  const parts = JSON.parse(map.toString()) as readonly { start: number; length: number; data: boolean }[];
  return parts.filter(({ data }) => data);
}

function partContains(fd: number, start: number, end: number, patterns: readonly Buffer[]): boolean {
  const overlap = Math.max(...patterns.map(({ length }) => length)) - 1;
  const chunk = Buffer.alloc(Math.min(4 << 20, end - start + overlap));
  let kept = 0;
  for (let at = start; at < end;) {
    const read = readSync(fd, chunk, kept, Math.min(chunk.length - kept, end - at), at);
    if (read === 0) return false;
    const filled = kept + read;
    const seen = chunk.subarray(0, filled);
    if (patterns.some((pattern) => seen.includes(pattern))) return true;
    kept = Math.min(overlap, filled);
    chunk.copyWithin(0, filled - kept, filled);
    at += read;
  }
  return false;
}

function qemuIo(disk: Disk, passphrase: Buffer, ...commands: readonly string[]): ReturnType<typeof run> {
  const list = commands.flatMap((command) => ["-c", command]);
  return run("qemu-io", [...SECRET, "--image-opts", decrypted(disk), ...list], { secrets: [passphrase] });
}

/** QEMU's options for a disk, decrypted; the format is never guessed. */
function decrypted({ format, path }: Disk, prefix = ""): string {
  const options =
    format === "qcow2" ? ["driver=qcow2", "encrypt.key-secret=s"] : ["driver=luks", "key-secret=s"];
  return [...options, "file.driver=file", `file.filename=${path}`].map((option) => prefix + option).join(",");
}
