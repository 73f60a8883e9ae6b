import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageServices, Passphrase } from "@luksmith/core";
import type { ImageBackendFixture } from "@luksmith/testkit";
import {
  qemuCheck,
  qemuDecrypt,
  type QemuDisk,
  qemuIo,
  qemuOpens,
  treeOf,
} from "../../../testing/src/index.ts";
import { qcow2Backend } from "../src/index.ts";

export interface Qcow2Fixture extends ImageBackendFixture {
  /** Where instances are kept. */
  readonly instances: string;
  /** An empty directory for what a test needs besides. */
  readonly scratch: string;
}

/** qcow2 files in a directory of their own, seen by QEMU, which also checks them each time. */
export async function qcow2Fixture(services: ImageServices): Promise<Qcow2Fixture> {
  const root = mkdtempSync(join(tmpdir(), "luksmith-qcow2-"));
  const scratch = mkdtempSync(join(tmpdir(), "luksmith-qcow2-scratch-"));
  const instances = join(root, "instances");
  const targets = join(root, "snapshots");
  for (const path of [instances, targets]) mkdirSync(path);
  const guest = async (disk: QemuDisk): Promise<Uint8Array> => {
    if (disk.format === "qcow2") await qemuCheck(disk);
    const plain = join(scratch, randomUUID());
    await qemuDecrypt(disk, plain);
    const bytes = readFileSync(plain);
    rmSync(plain);
    return bytes;
  };
  const disk = (path: string, passphrase?: Passphrase): QemuDisk => ({ path, format: "qcow2", passphrase });
  return {
    instances,
    scratch,
    backend: qcow2Backend(instances, () => services),
    contents: async () => treeOf(instances, targets),
    rawBytes: async (image) => readFileSync(image.path),
    luksBytes: async (image) => readFileSync(image.path).subarray(luksOffset(image.path)),
    damage: async (image, offset, bytes) => {
      const file = await open(image.path, "r+");
      await file.write(bytes, 0, bytes.length, luksOffset(image.path) + offset);
      await file.close();
    },
    replace: async (image) => {
      mkdirSync(dirname(image.path), { recursive: true });
      // Made while the disk still has its inode, so that it gets another.
      const bytes = Buffer.alloc(1024 * 1024, "somebody else's");
      writeFileSync(join(scratch, randomUUID()), bytes);
      rmSync(image.path, { force: true });
      writeFileSync(image.path, bytes, { flag: "wx" });
    },
    oracle: {
      opens: (image, passphrase) => qemuOpens(disk(image.path, passphrase)),
      read: (image, passphrase) => guest(disk(image.path, passphrase)),
      write: async (image, passphrase, offset, bytes) => {
        const pattern = join(scratch, randomUUID());
        writeFileSync(pattern, bytes);
        await qemuIo(disk(image.path, passphrase), [`write -s ${pattern} ${offset} ${bytes.length}`]);
        rmSync(pattern);
      },
    },
    snapshots: {
      target: () => join(targets, randomUUID()),
      read: (path, format, passphrase) => guest({ path, format, passphrase }),
    },
    [Symbol.asyncDispose]: async () => {
      for (const path of [root, scratch]) rmSync(path, { recursive: true, force: true });
    },
  };
}

/** Where the LUKS header of an encrypted image is: header extension 0x0537be77 of the qcow2 specification. */
export function luksOffset(path: string): number {
  const bytes = readFileSync(path);
  for (let at = bytes.readUInt32BE(100); bytes.readUInt32BE(at) !== 0;) {
    if (bytes.readUInt32BE(at) === 0x0537be77) return Number(bytes.readBigUInt64BE(at + 8));
    at += 8 + Math.ceil(bytes.readUInt32BE(at + 4) / 8) * 8;
  }
  throw new Error(`${path} is not encrypted`);
}
