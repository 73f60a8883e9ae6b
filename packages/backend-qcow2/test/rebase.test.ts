import { copyFileSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CANARY, filesBelow, qemuImgInfo, qemuIo, rawBytesContain } from "../../../testing/src/index.ts";
import { Qcow2Image } from "../src/qcow2-image.ts";
import { guestDigest, MIB, openBench, overlay, printOf } from "./disks.ts";

const BASES = ["raw", "qcow2"] as const;

async function usedOverlay(bench: Awaited<ReturnType<typeof openBench>>, format: (typeof BASES)[number]) {
  const made = await overlay(bench, format);
  if (!(made.image instanceof Qcow2Image)) throw new Error("the backend makes others");
  const disk = { path: made.image.path, format: "qcow2", passphrase: made.passphrase } as const;
  await qemuIo(disk, ["write -P 0x61 1000k 100k", "write -P 0x62 4M 64k"]);
  return { ...made, image: made.image, guest: await guestDigest(disk.path, "qcow2", made.passphrase) };
}

describe.each(BASES)("a disk on a %s base", (format) => {
  test("that is flattened stands alone with the same content, key and identity", async () => {
    await using bench = await openBench({ forceRaw: format === "raw" });
    const { image, disk, passphrase, base, guest } = await usedOverlay(bench, format);
    const before = { base: printOf(base), identity: await image.identify(bench.ctx) };
    await image.flatten(bench.ctx);
    await image.flatten(bench.ctx);
    expect(image.source().backing).toBeUndefined();
    expect(await image.identify(bench.ctx)).toEqual(before.identity);
    expect(printOf(base)).toBe(before.base);
    rmSync(base);
    expect(await guestDigest(image.path, "qcow2", passphrase)).toBe(guest);
    const info = await qemuImgInfo({ path: image.path, format: "qcow2", passphrase });
    expect(info["backing-filename"]).toBeUndefined();
    const directory = dirname(image.path);
    expect(filesBelow(directory)).toEqual([disk.name]);
    expect(await rawBytesContain(join(directory, disk.name), CANARY)).toBe(false);
    const { backing: _gone, ...alone } = disk;
    expect((await bench.image(alone).verify(bench.ctx)).ok).toBe(true);
    await bench.image(alone).resize(BigInt(9 * MIB), bench.ctx);
  });

  test("goes over to a copy of it, and to nothing else", async () => {
    await using bench = await openBench({ forceRaw: format === "raw" });
    const { image, disk, passphrase, base, guest } = await usedOverlay(bench, format);
    const copy = join(dirname(base), `a,b-${randomUUID()}`);
    copyFileSync(base, copy);
    const backing = await image.rebase({ file: copy, format }, bench.ctx);
    expect(await image.rebase({ file: copy, format }, bench.ctx)).toEqual(backing);
    rmSync(base);
    expect(await guestDigest(image.path, "qcow2", passphrase)).toBe(guest);
    expect((await bench.image({ ...disk, backing }).verify(bench.ctx)).ok).toBe(true);

    const other = join(dirname(base), randomUUID());
    copyFileSync(copy, other);
    await qemuIo({ path: other, format }, ["write -P 0x99 2M 512"]);
    const before = await bench.fixture.contents();
    await expect(image.rebase({ file: other, format }, bench.ctx)).rejects.toMatchObject({
      code: "DiskReplaced",
    });
    const gone = image.rebase({ file: base, format }, bench.ctx);
    await expect(gone).rejects.toMatchObject({ code: "DiskNotFound" });
    expect(await bench.fixture.contents()).toEqual(before);
  });
});

describe("a disk", () => {
  test("that QEMU has open is neither flattened nor put on another base", async () => {
    await using bench = await openBench();
    const { image, base } = await usedOverlay(bench, "raw");
    const { spawn } = await import("node:child_process");
    const holder = spawn("qemu-io", ["-f", "raw", image.path], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    holder.stdin.write("read 0 512\n");
    await new Promise((resolve) => holder.stdout.on("data", resolve));
    try {
      await expect(image.flatten(bench.ctx)).rejects.toMatchObject({ code: "DiskInUse" });
      const rebase = image.rebase({ file: base, format: "raw" }, bench.ctx);
      await expect(rebase).rejects.toMatchObject({ code: "DiskInUse" });
    } finally {
      holder.stdin.end("quit\n");
      await new Promise((resolve) => holder.on("close", resolve));
    }
  });

  test("whose base is gone is not flattened, and a flatten that stopped is done again", async () => {
    await using bench = await openBench();
    const { image, disk, passphrase, base, guest } = await usedOverlay(bench, "raw");
    const stopped = AbortSignal.abort(new Error("enough"));
    await expect(image.flatten({ ...bench.ctx, signal: stopped })).rejects.toMatchObject({
      code: "Cancelled",
    });
    expect(image.source().backing?.file).toBe(base);
    const file = await open(base);
    rmSync(base);
    await file.close();
    const fresh = bench.image(disk);
    if (!(fresh instanceof Qcow2Image)) throw new Error("the backend makes others");
    await expect(fresh.flatten(bench.ctx)).rejects.toMatchObject({ code: "DiskNotFound" });
    expect(guest).toHaveLength(64);
    expect(passphrase).toBeDefined();
  });

  test("that stands alone has nothing to be put on", async () => {
    await using bench = await openBench();
    const { image } = await bench.create();
    if (!(image instanceof Qcow2Image)) throw new Error("the backend makes others");
    await image.flatten(bench.ctx);
    const rebase = image.rebase({ file: image.path, format: "qcow2" }, bench.ctx);
    await expect(rebase).rejects.toMatchObject({ code: "UnsupportedOperation" });
  });
});
