import { randomUUID } from "node:crypto";
import { mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ImageServices } from "@luksmith/core";
import { fileOracle, type ImageBackendFixture, treeContents } from "@luksmith/testkit";
import type { ReflinkOptions } from "../src/config.ts";
import { reflinkBackend } from "../src/index.ts";

/** @param root empty; a folder that no other test uses, removed in the end */
export async function reflinkFixture(
  root: string,
  services: ImageServices,
  reflink: ReflinkOptions["reflink"] = "required",
): Promise<ImageBackendFixture> {
  const [directory, copies, scratch] = [join(root, "disks"), join(root, "copies"), join(root, "scratch")];
  for (const path of [directory, copies, scratch]) await mkdir(path);
  const { oracle, readSnapshot } = fileOracle(scratch);
  return {
    backend: reflinkBackend({ directory, reflink }, () => services),
    contents: () => treeContents(directory, copies),
    rawBytes: ({ path }) => readFile(path),
    damage: async ({ path }, offset, bytes) => {
      await using file = await open(path, "r+");
      await file.write(bytes, 0, bytes.length, offset);
    },
    replace: async ({ path }) => {
      await mkdir(dirname(path), { recursive: true });
      await rm(path, { force: true });
      await writeFile(path, Buffer.alloc(1024 * 1024, "somebody else's"), { flag: "wx" });
    },
    oracle,
    snapshots: { target: () => join(copies, randomUUID()), read: readSnapshot },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true }),
  };
}
