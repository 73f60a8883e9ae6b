import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Image, ImageServices, Passphrase } from "@luksmith/core";
import type { ImageBackendFixture } from "@luksmith/testkit";
import {
  cryptsetupOpens,
  qemuDecrypt,
  type QemuDisk,
  qemuIo,
  qemuOpens,
  treeOf,
} from "../../../testing/src/index.ts";
import { rawBackend } from "../src/index.ts";

/** Raw files in a directory of their own, seen by cryptsetup and QEMU. */
export async function rawFixture(services: ImageServices): Promise<ImageBackendFixture & { root: string }> {
  const root = mkdtempSync(join(tmpdir(), "luksmith-raw-"));
  const instances = join(root, "instances");
  const targets = join(root, "snapshots");
  const scratch = mkdtempSync(join(tmpdir(), "luksmith-raw-scratch-"));
  for (const path of [instances, targets]) mkdirSync(path);
  const decrypted = async (disk: QemuDisk): Promise<Uint8Array> => {
    const plain = join(scratch, randomUUID());
    await qemuDecrypt(disk, plain);
    return readFileSync(plain);
  };
  return {
    root,
    backend: rawBackend(instances, () => services),
    contents: async () => treeOf(instances, targets),
    rawBytes: async (image) => readFileSync(image.path),
    damage: async (image, offset, bytes) => {
      const file = await open(image.path, "r+");
      await file.write(bytes, 0, bytes.length, offset);
      await file.close();
    },
    replace: async (image) => {
      mkdirSync(dirname(image.path), { recursive: true });
      const other = join(scratch, randomUUID());
      writeFileSync(other, Buffer.alloc(1024 * 1024, "somebody else's"));
      rmSync(image.path, { force: true });
      writeFileSync(image.path, readFileSync(other), { flag: "wx" });
    },
    oracle: {
      opens: async (image, passphrase) => {
        const answers = [
          await cryptsetupOpens(image.path, passphrase),
          await qemuOpens({ path: image.path, format: "raw", passphrase }),
        ];
        if (answers[0] !== answers[1]) throw new Error(`cryptsetup and QEMU disagree: ${answers.join(", ")}`);
        return answers[0] ?? false;
      },
      read: (image, passphrase) => decrypted({ path: image.path, format: "raw", passphrase }),
      write: (image, passphrase, offset, bytes) => qemuWrite(image, passphrase, offset, bytes, scratch),
    },
    snapshots: {
      target: () => join(targets, randomUUID()),
      read: (path, format, passphrase) => decrypted({ path, format, passphrase }),
    },
    [Symbol.asyncDispose]: async () => {
      for (const path of [root, scratch]) rmSync(path, { recursive: true, force: true });
    },
  };
}

async function qemuWrite(
  image: Image,
  passphrase: Passphrase,
  offset: number,
  bytes: Uint8Array,
  scratch: string,
): Promise<void> {
  const pattern = join(scratch, randomUUID());
  writeFileSync(pattern, bytes);
  await qemuIo({ path: image.path, format: "raw", passphrase }, [
    `write -s ${pattern} ${offset} ${bytes.length}`,
  ]);
}
