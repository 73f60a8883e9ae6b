import { closeSync, copyFileSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  CANARY,
  filesBelow,
  qemuCheck,
  qemuImgInfo,
  qemuIo,
  rawBytesContain,
} from "../../../testing/src/index.ts";
import { guestDigest, MIB, openBench, overlay, printOf, sourceOf } from "./disks.ts";

const BASES = ["raw", "qcow2"] as const;

async function usedOverlay(bench: Awaited<ReturnType<typeof openBench>>, format: (typeof BASES)[number]) {
  const made = await overlay(bench, format);
  const disk = { path: made.image.path, format: "qcow2", passphrase: made.passphrase } as const;
  await qemuIo(disk, ["write -P 0x61 1000k 100k", "write -P 0x62 4M 64k"]);
  return { ...made, guest: await guestDigest(disk.path, "qcow2", made.passphrase) };
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
    const backing = await image.proveBase({ file: copy, format }, bench.ctx);
    await image.rebase(backing, bench.ctx);
    expect(await image.proveBase({ file: copy, format }, bench.ctx)).toEqual(backing);
    await image.rebase(backing, bench.ctx);
    expect(image.source().backing).toEqual(backing);
    rmSync(base);
    expect(await guestDigest(image.path, "qcow2", passphrase)).toBe(guest);
    expect((await bench.image({ ...disk, backing }).verify(bench.ctx)).ok).toBe(true);

    const other = join(dirname(base), randomUUID());
    copyFileSync(copy, other);
    await qemuIo({ path: other, format }, ["write -P 0x99 2M 512"]);
    const before = await bench.fixture.contents();
    await expect(image.proveBase({ file: other, format }, bench.ctx)).rejects.toMatchObject({
      code: "DiskReplaced",
    });
    const gone = image.proveBase({ file: base, format }, bench.ctx);
    await expect(gone).rejects.toMatchObject({ code: "DiskNotFound" });
    expect(await bench.fixture.contents()).toEqual(before);
  });
});

describe("a disk", () => {
  test("that QEMU has open is neither flattened nor put on another base", async () => {
    await using bench = await openBench();
    const { image, base } = await usedOverlay(bench, "raw");
    const { backing } = image.source();
    const { spawn } = await import("node:child_process");
    const holder = spawn("qemu-io", ["-f", "raw", image.path], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    holder.stdin.write("read 0 512\n");
    await new Promise((resolve) => holder.stdout.on("data", resolve));
    try {
      await expect(image.flatten(bench.ctx)).rejects.toMatchObject({ code: "DiskInUse" });
      const prove = image.proveBase({ file: base, format: "raw" }, bench.ctx);
      await expect(prove).rejects.toMatchObject({ code: "DiskInUse" });
      if (!backing) throw new Error("it is an overlay");
      await expect(image.rebase(backing, bench.ctx)).rejects.toMatchObject({ code: "DiskInUse" });
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
    await expect(fresh.flatten(bench.ctx)).rejects.toMatchObject({ code: "DiskNotFound" });
    expect(guest).toHaveLength(64);
    expect(passphrase).toBeDefined();
  });

  test("that is plain is flattened as well, and stays plain", async () => {
    await using bench = await openBench();
    const { image: source, digest } = await sourceOf("raw", 2 * MIB);
    await using file = source;
    const plain = await bench.createPlain({ kind: "image", image: file }, BigInt(2 * MIB));
    const base = plain.source().backing?.file ?? "";
    await plain.flatten(bench.ctx);
    rmSync(base);
    expect(await guestDigest(plain.path, "qcow2")).toBe(digest);
    expect((await qemuImgInfo({ path: plain.path, format: "qcow2" })).encrypted).toBeUndefined();
  });

  test("that stands alone has nothing to be put on", async () => {
    await using bench = await openBench();
    const { image } = await bench.create();
    await image.flatten(bench.ctx);
    const rebase = image.proveBase({ file: image.path, format: "qcow2" }, bench.ctx);
    await expect(rebase).rejects.toMatchObject({ code: "UnsupportedOperation" });
  });

  test("whose flatten was killed gets the space back that was lost, and no data by that", async () => {
    await using bench = await openBench();
    const { image, disk, passphrase, base, guest } = await usedOverlay(bench, "raw");
    loseCluster(image.path);
    const seen = { path: image.path, format: "qcow2", passphrase } as const;
    await expect(qemuCheck(seen)).rejects.toThrow(/leaked/);
    const fresh = bench.image(disk);
    expect(await fresh.settleBase(bench.ctx)).toBe(base);
    expect(await guestDigest(image.path, "qcow2", passphrase)).toBe(guest);
    // Also where nobody can look: where it stands is known all the same.
    loseCluster(image.path);
    rmSync(base);
    expect(await fresh.settleBase(bench.ctx)).toBe(base);
    expect(bench.ctx.logged).toContainEqual(expect.objectContaining({ level: "warn" }));
  });
});

/** Counts a cluster at the end of an image that nothing refers to, as a writer that is killed leaves it. */
function loseCluster(path: string): void {
  const bytes = readFileSync(path);
  const cluster = Math.ceil(bytes.length / 65_536);
  const table = Number(bytes.readBigUInt64BE(48));
  const block = Number(bytes.readBigUInt64BE(table));
  const file = openSync(path, "r+");
  ftruncateSync(file, (cluster + 1) * 65_536);
  writeSync(file, Buffer.from([0, 1]), 0, 2, block + cluster * 2);
  closeSync(file);
}
