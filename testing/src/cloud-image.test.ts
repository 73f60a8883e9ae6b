import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { createInstance, verifyDisks } from "@luksmith/core/host";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheHost, type ImagesType } from "./cache-host.ts";
import { type CloudImage, cloudImage, PARTITION } from "./cloud-image.ts";
import { checkFilesystem, probe } from "./oracles/filesystem.ts";
import { qemuCheck, qemuDecrypt, qemuImgInfo, qemuOpens } from "./oracles/qemu.ts";
import { digestOf, rawBytesContain } from "./oracles/raw-bytes.ts";
import { runTool } from "./run-tool.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const CANARY = "cloud-canary-of-the-test";

/** Glance's disk_format, and how QEMU writes such an image of exactly that size. */
const SOURCES = [
  { diskFormat: "raw", output: ["-O", "raw"] },
  { diskFormat: "qcow2", output: ["-O", "qcow2", "-c"] },
  { diskFormat: "vmdk", output: ["-O", "vmdk", "-o", "subformat=streamOptimized"] },
  { diskFormat: "vmdk", output: ["-O", "vmdk", "-o", "subformat=monolithicSparse"] },
  { diskFormat: "vhd", output: ["-O", "vpc", "-o", "force_size=on"] },
  { diskFormat: "vhdx", output: ["-O", "vhdx"] },
] as const;

const CASES = (["raw", "qcow2"] as const).flatMap((imagesType) =>
  SOURCES.flatMap((source) =>
    [true, false]
      // Only a qcow2 image is kept as it came.
      .filter((force) => force || source.diskFormat === "qcow2")
      .map((force) => [source.diskFormat, imagesType, force, source.output] as const),
  ),
);

let directory: string;
let image: CloudImage;
let digest: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "luksmith-cloud-"));
  image = await cloudImage(directory);
  digest = await digestOf(image.path);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Fails unless the plain disk is the cloud image: to the byte, its file system faultless, its files the packages'. */
async function expectCloud(plain: string): Promise<void> {
  expect(await digestOf(plain)).toBe(digest);
  const partition = join(tempDirectory(), "root");
  const { offset, length } = PARTITION;
  await runTool("dd", [
    `if=${plain}`,
    `of=${partition}`,
    "bs=1M",
    `skip=${offset >> 20}`,
    `count=${length >> 20}`,
  ]);
  expect(await probe(partition)).toEqual({ type: "ext4", label: "cloudimg-rootfs" });
  await checkFilesystem(partition, "ext4");
  const out = join(tempDirectory(), "out");
  mkdirSync(out);
  await runTool("debugfs", ["-R", `rdump / ${out}`, partition]);
  for (const [name, content] of image.files) {
    expect({ name, same: readFileSync(join(out, name)).equals(content) }).toEqual({ name, same: true });
  }
}

async function createFrom(
  imagesType: ImagesType,
  force: boolean,
  diskFormat: string,
  output: readonly string[],
) {
  const temp = cacheHost(imagesType, { DEFAULT: [`force_raw_images = ${force ? "True" : "False"}`] });
  const id = randomUUID();
  if (diskFormat === "raw") copyFileSync(image.path, temp.imageFile(id));
  else await runTool("qemu-img", ["convert", "-f", "raw", ...output, image.path, temp.imageFile(id)]);
  await using host = await temp.write();
  const made = await createInstance(host, await temp.request(id, { diskFormat }), testContext());
  const [disk] = made.disks;
  if (!disk) throw new Error("no disk was made");
  using passphrase = await passphraseOf(host, disk.encryption?.secretId);
  const opened = { path: disk.path, format: imagesType, passphrase } as const;
  expect(await qemuOpens(opened)).toBe(true);
  if (imagesType === "qcow2") await qemuCheck(opened);
  expect((await qemuImgInfo(opened))["virtual-size"]).toBe(Number(disk.virtualSize));
  expect(await rawBytesContain(disk.path, CANARY), "the root disk's bytes").toBe(false);
  const plain = join(tempDirectory(), "plain");
  await qemuDecrypt(opened, plain);
  expect(await rawBytesContain(plain, CANARY)).toBe(true);
  await expectCloud(plain);
  const [report] = await verifyDisks(host, undefined, testContext());
  expect(report?.disks.every(({ ok }) => ok)).toBe(true);
  return disk;
}

describe("a cloud image", () => {
  test("is what the test takes it for", async () => {
    const { stdout } = await runTool("blkid", ["-p", "-o", "export", image.path]);
    expect(stdout).toContain("PTTYPE=gpt");
    await expectCloud(image.path);
  });

  test.each(CASES)(
    "as %s becomes an encrypted %s disk (force_raw_images: %s; %j)",
    async (diskFormat, imagesType, force, output) => {
      const disk = await createFrom(imagesType, force, diskFormat, output);
      const base = force || diskFormat !== "qcow2" ? "raw" : "qcow2";
      expect(disk.source.backing?.format).toBe(imagesType === "raw" ? undefined : base);
    },
  );
});
