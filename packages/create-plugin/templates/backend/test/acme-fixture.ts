import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { ImageServices } from "@luksmith/core";
import { fileOracle, type ImageBackendFixture, treeContents } from "@luksmith/testkit";
import { AcmeImage, CAPABILITIES } from "../src/acme-image.ts";

/** Storage that no other test uses, and how cryptsetup and QEMU see the disks in it. */
export async function acmeFixture(services: ImageServices): Promise<ImageBackendFixture> {
  const root = await mkdtemp(join(tmpdir(), "acme-"));
  const [storage, copies, scratch] = [join(root, "storage"), join(root, "copies"), join(root, "scratch")];
  for (const path of [storage, copies, scratch]) await mkdir(path);
  const { oracle, readSnapshot } = fileOracle(scratch);
  return {
    backend: {
      name: "acme",
      capabilities: CAPABILITIES,
      image: (disk) => new AcmeImage(storage, disk, services),
    },
    contents: () => treeContents(storage, copies),
    rawBytes: ({ path }) => readFile(path),
    damage: async ({ path }, offset, bytes) => {
      await using file = await open(path, "r+");
      await file.write(bytes, 0, bytes.length, offset);
    },
    replace: async ({ path }) => {
      await mkdir(dirname(path), { recursive: true });
      const other = Buffer.alloc(1024 * 1024, "somebody else's");
      await rm(path, { force: true });
      await writeFile(path, other, { flag: "wx" });
    },
    oracle,
    snapshots: { target: () => join(copies, randomUUID()), read: readSnapshot },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}
