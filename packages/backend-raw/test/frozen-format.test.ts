import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Image, type Passphrase } from "@luksmith/core";
import { BackendBench, RecordingRollback } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { qemuDecrypt, qemuImgInfo, qemuIo, runTool, tempDirectory } from "../../../testing/src/index.ts";
import { rawFixture } from "./raw-fixture.ts";

const MIB = 1024 * 1024;
const SECRET = "a file of the host that the guest must not see";

/** What CVE-2026-24708 is about: sector 0 says "qcow2 with a backing file on the host". */
async function hostileHeader(): Promise<Buffer> {
  const directory = tempDirectory();
  writeFileSync(join(directory, "secret"), Buffer.alloc(MIB, SECRET));
  const path = join(directory, "hostile");
  const backing = ["-b", join(directory, "secret"), "-F", "raw"];
  await runTool("qemu-img", ["create", "-q", "-f", "qcow2", ...backing, path, "64M"]);
  return readFileSync(path);
}

/** Fails unless the header stays what it is for the guest: data. */
async function expectData(
  bench: BackendBench,
  image: Image,
  passphrase: Passphrase | undefined,
): Promise<void> {
  const header = await hostileHeader();
  const target = join(tempDirectory(), "header");
  writeFileSync(target, header);
  const disk = { path: image.path, format: "raw", passphrase } as const;
  await qemuIo(disk, [`write -s ${target} 0 ${Math.ceil(header.length / 512) * 512}`]);

  expect((await image.verify(bench.ctx)).ok).toBe(true);
  await image.resize(BigInt(5 * MIB), bench.ctx);
  expect((await qemuImgInfo(disk))["virtual-size"]).toBe(5 * MIB);
  const grown = bench.image({ ...image.disk, virtualSize: BigInt(5 * MIB) });
  for (const format of ["raw", "qcow2"] as const) {
    const path = join(tempDirectory(), "snapshot");
    const copy = { path, format, uuid: randomUUID(), operation: randomUUID() };
    await grown.snapshot(copy, new RecordingRollback(), bench.ctx);
    const plain = join(tempDirectory(), "plain");
    await qemuDecrypt({ path, format }, plain);
    const file = await open(plain, "r");
    const begin = Buffer.alloc(header.length);
    await file.read(begin, 0, begin.length, 0);
    expect((await file.stat()).size).toBe(5 * MIB);
    await file.close();
    expect(begin.equals(header), "the guest's bytes as they are").toBe(true);
    expect(readFileSync(plain).includes(SECRET), "nothing of the host's file").toBe(false);
  }
}

describe("invariant 7: the format is frozen when the disk is made", () => {
  test("a qcow2 header that a guest writes into its plain raw disk is data", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const image = await bench.createPlain({ kind: "blank" });
    await expectData(bench, image, undefined);
    expect(image.source().format).toBe("raw");
  });

  test("so it is on an encrypted disk", async () => {
    await using bench = await BackendBench.open(rawFixture);
    const { image, passphrase } = await bench.create();
    await expectData(bench, image, passphrase);
    expect(image.source().format).toBe("raw");
  });
});
