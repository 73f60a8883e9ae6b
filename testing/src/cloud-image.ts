import { randomUUID } from "node:crypto";
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { closeSync, ftruncateSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { runTool } from "./run-tool.ts";

const SECTOR = 512;
const MIB = 1024 * 1024;

/** Where the root partition is in the image. */
export const PARTITION = { offset: MIB, length: 30 * MIB } as const;
const IMAGE_BYTES = 32 * MIB;

/** Programs of Debian packages that every Debian has (dash, coreutils, util-linux, e2fsprogs), and what says so. */
const PROGRAMS = ["/bin/dash", "/bin/ls", "/bin/cat", "/bin/cp", "/bin/mount", "/sbin/mke2fs"];
const FILES = ["/etc/debian_version", "/etc/os-release", "/etc/passwd", "/etc/group", "/etc/shells"];

export interface CloudImage {
  /** The whole disk, raw. */
  readonly path: string;
  /** What is in the root file system: content by path. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/**
 * Builds what a cloud image is: a disk with a GUID partition table, and on its root partition an ext4 file system with
 * a Debian that a kernel could start (a shell, its libraries, `/etc`), out of the packages of this machine.
 */
export async function cloudImage(directory: string): Promise<CloudImage> {
  const tree = join(directory, "tree");
  const files = new Map<string, Buffer>();
  for (const name of [...PROGRAMS, ...(await libraries()), ...FILES]) {
    const from = realpathSync(name);
    if (!lstatSync(from).isFile()) continue;
    mkdirSync(join(tree, dirname(name)), { recursive: true });
    copyFileSync(from, join(tree, name));
    files.set(name, readFileSync(from));
  }
  for (const name of ["boot/grub", "dev", "proc", "root", "sys", "tmp", "var/lib/cloud"]) {
    mkdirSync(join(tree, name), { recursive: true });
  }
  const hostname = Buffer.from("cloud-canary-of-the-test\n");
  writeFileSync(join(tree, "etc/hostname"), hostname);
  files.set("/etc/hostname", hostname);

  const path = join(directory, "cloud.raw");
  const fd = openSync(path, "wx");
  ftruncateSync(fd, IMAGE_BYTES);
  for (const { bytes, at } of partitionTable()) writeSync(fd, bytes, 0, bytes.length, at);
  closeSync(fd);
  const file = ["-q", "-F", "-t", "ext4", "-L", "cloudimg-rootfs", "-E", `offset=${PARTITION.offset}`];
  await runTool("mke2fs", [...file, "-d", tree, path, `${PARTITION.length / 1024}k`]);
  return { path, files };
}

/** The shared libraries of the programs. */
async function libraries(): Promise<readonly string[]> {
  const { stdout } = await runTool("ldd", PROGRAMS);
  return [...new Set(stdout.match(/\/\S+\.so[.\d]*/g))];
}

/** A protective MBR, and both copies of a GPT with one partition (UEFI 2.10, chapter 5). */
function partitionTable(): readonly { readonly bytes: Buffer; readonly at: number }[] {
  const sectors = IMAGE_BYTES / SECTOR;
  const mbr = Buffer.alloc(SECTOR);
  mbr.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff], 446);
  mbr.writeUInt32LE(1, 454);
  mbr.writeUInt32LE(sectors - 1, 458);
  mbr.writeUInt16LE(0xaa55, 510);
  const entries = Buffer.alloc(128 * 128);
  entries.write("af3dc60f838472478e793d69d8477de4", 0, "hex"); // Linux data, GUIDs are mixed-endian
  entries.write(randomUUID().replaceAll("-", ""), 16, "hex");
  entries.writeBigUInt64LE(BigInt(PARTITION.offset / SECTOR), 32);
  entries.writeBigUInt64LE(BigInt((PARTITION.offset + PARTITION.length) / SECTOR - 1), 40);
  entries.write("root", 56, "utf16le");
  const disk = Buffer.from(randomUUID().replaceAll("-", ""), "hex");
  const header = (own: number, other: number, at: number): Buffer => {
    const bytes = Buffer.alloc(SECTOR);
    bytes.write("EFI PART", 0, "latin1");
    bytes.writeUInt32LE(0x10000, 8);
    bytes.writeUInt32LE(92, 12);
    for (const [offset, value] of [
      [24, own],
      [32, other],
      [40, 34],
      [48, sectors - 34],
      [72, at],
    ] as const)
      bytes.writeBigUInt64LE(BigInt(value), offset);
    disk.copy(bytes, 56);
    bytes.writeUInt32LE(128, 80);
    bytes.writeUInt32LE(128, 84);
    bytes.writeUInt32LE(crc32(entries), 88);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 16);
    return bytes;
  };
  return [
    { bytes: mbr, at: 0 },
    { bytes: header(1, sectors - 1, 2), at: SECTOR },
    { bytes: entries, at: 2 * SECTOR },
    { bytes: entries, at: (sectors - 33) * SECTOR },
    { bytes: header(sectors - 1, 1, sectors - 33), at: (sectors - 1) * SECTOR },
  ];
}
