import { randomUUID } from "node:crypto";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { rm, symlink, writeFile } from "node:fs/promises";
import { isLuksmithError } from "@luksmith/core";
import { BackendBench, expectError, expectUntouched, MIB, sourceImage, testContext } from "@luksmith/testkit";
import { describe, expect, test } from "vitest";
import { GROUP, run, withMapping } from "../guest-tools.ts";
import { LINEAR, lvmFixture, makePool, overwrite, POOL, THIN } from "../lvm-fixture.ts";

const blank = { source: { kind: "blank" } } as const;

describe("refused before anything changes", () => {
  test("a volume group that is not there", async () => {
    await using bench = await BackendBench.open((services) =>
      lvmFixture(services, { ...LINEAR, volumeGroup: "absent" }),
    );
    const { image, passphrase, undo } = await bench.describe();
    for (const act of [
      () => image.identify(bench.ctx),
      () => image.spaceFree(bench.ctx),
      () => image.create({ ...blank, passphrase }, undo, bench.ctx),
    ]) {
      await expectError(act, "VolumeGroupUnusable", "unavailable");
    }
    expect(await bench.fixture.backend.ready?.(bench.ctx)).toMatch(/absent cannot be used/);
  });

  test("a volume group that is full", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    await run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-l", "100%FREE", "-n", "everything", GROUP);
    await run("lvreduce", "-qq", "-f", "-l", "-5", `${GROUP}/everything`);
    const { image, passphrase, undo } = await bench.describe();
    expect(await image.spaceFree(bench.ctx)).toBe(BigInt(5 * MIB));
    expect(image.spaceNeeded(0n)).toBe(BigInt(6 * MIB));
    const names = await run("lvs", "--noheadings", "-o", "lv_name", GROUP);
    const error = await expectError(
      () => image.create({ ...blank, passphrase }, undo, bench.ctx),
      "NoSpace",
      "unavailable",
    );
    expect(error.message).toMatch(/does not fit.*vgextend/);
    await undo.undo(image);
    expect(await run("lvs", "--noheadings", "-o", "lv_name", GROUP)).toBe(names);
    // A disk that fits and then shall grow.
    const small = await bench.create({ kind: "blank" }, { virtualSize: BigInt(2 * MIB) });
    await expectError(() => small.image.resize(BigInt(8 * MIB), bench.ctx), "NoSpace");
    expect(await small.image.actualSize(bench.ctx)).toBe(BigInt(2 * MIB));
    await small.image.resize(BigInt(3 * MIB), bench.ctx);
  });

  test("a thin pool that is nearly full, and a choice of pools", async () => {
    await run("lvcreate", "-qq", "-y", "--type=thin-pool", "-L", "32M", "-n", "small", GROUP);
    try {
      await using bench = await BackendBench.open((services) =>
        lvmFixture(services, { ...THIN, thinPool: "small" }),
      );
      await run("lvcreate", "-qq", "-y", "--thinpool", "small", "-V", "40M", "-n", "eager", GROUP);
      await overwrite(`/dev/${GROUP}/eager`, 0, Buffer.alloc(31 * MIB, 1));
      const { image, passphrase, undo } = await bench.describe();
      expect(await image.spaceFree(bench.ctx)).toBe(0n);
      await expectUntouched(bench, async () => {
        const error = await expectError(
          () => image.create({ ...blank, passphrase }, undo, bench.ctx),
          "NoSpace",
        );
        expect(error.message).toMatch(/thin pool small, which is nearly full \(data 9[5-9]/);
      });
      await makePool();
      await run("lvcreate", "-qq", "-y", "--type=thin-pool", "-L", "8M", "-n", "second", GROUP);
      await using either = await BackendBench.open((services) => lvmFixture(services, THIN));
      const other = await either.describe();
      const unclear = await expectError(() => other.image.spaceFree(bench.ctx), "VolumeGroupUnusable");
      expect(unclear.message).toMatch(/several thin pools.*thin_pool/);
    } finally {
      await run("lvremove", "-qq", "-f", "-S", `lv_name!=${POOL}`, GROUP);
    }
  });

  test("a volume that a mapping, a mount or a process uses", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const { image, passphrase } = await bench.create(
      { kind: "filesystem", format: "ext4" },
      { virtualSize: BigInt(16 * MIB) },
    );
    const identity = (await image.identify(bench.ctx))!;
    const refused = async (by: RegExp): Promise<void> => {
      for (const act of [
        () => image.remove(identity, bench.ctx),
        () => image.resize(BigInt(32 * MIB), bench.ctx),
        () => image.erase(bench.ctx),
      ]) {
        expect((await expectError(act, "DiskInUse", "conflict")).message).toMatch(by);
      }
    };
    await withMapping(image.path, passphrase, () => refused(/the mapping test-/));
    const opened = openSync(image.path, "r");
    const holder = spawn("sleep", ["600"], { stdio: [opened, "ignore", "ignore"] });
    await once(holder, "spawn");
    closeSync(opened);
    await refused(new RegExp(`sleep \\(${holder.pid}\\)`));
    holder.kill("SIGKILL");
    await once(holder, "exit");
    const plain = await bench.createPlain({ kind: "filesystem", format: "ext4" }, BigInt(16 * MIB));
    await run("mkdir", "-p", "/tmp/mounted");
    await run("mount", plain.path, "/tmp/mounted");
    try {
      const taken = (await plain.identify(bench.ctx))!;
      const error = await expectError(() => plain.remove(taken, bench.ctx), "DiskInUse");
      expect(error.message).toMatch(/mounted at \/tmp\/mounted/);
    } finally {
      await run("umount", "/tmp/mounted");
    }
    expect((await image.verify(bench.ctx)).ok).toBe(true);
  });

  test("a device node that is a file, another volume's, or a dead link", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const [victim, other] = [await bench.create(), await bench.create()];
    const identity = (await victim.image.identify(bench.ctx))!;
    const { path } = victim.image;
    await rm(path);
    await writeFile(path, Buffer.alloc(4096));
    await expectError(() => victim.image.remove(identity, bench.ctx), "DeviceNodeStale", "integrity");
    await rm(path);
    await symlink(other.image.path, path);
    const error = await expectError(() => victim.image.remove(identity, bench.ctx), "DeviceNodeStale");
    expect(error.message).toMatch(/vgscan --mknodes/);
    expect((await other.image.verify(bench.ctx)).ok).toBe(true);
    await rm(path);
    await symlink("/dev/mapper/gone", path);
    await expectError(() => victim.image.erase(bench.ctx), "DiskNotFound");
    await rm(path);
    await run("vgscan", "-qq", "--mknodes");
    expect((await victim.image.verify(bench.ctx)).ok).toBe(true);
  });
});

describe("what happens to a volume meanwhile", () => {
  test("a device that fails half-way through a fill: nothing stays", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    await using source = await sourceImage(16 * MIB);
    const before = await bench.fixture.contents();
    const { image, passphrase, undo } = await bench.describe({ virtualSize: BigInt(16 * MIB) });
    let failing = false;
    const ctx = testContext({
      // Every write from here on is an error, as of a disk that was pulled; nothing goes on here before.
      progress: () => {
        if (!failing) execFileSync("dmsetup", ["wipe_table", image.path]);
        failing = true;
      },
    });
    const error = await image
      .create({ source: { kind: "image", image: source }, passphrase }, undo, ctx)
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(failing).toBe(true);
    if (!isLuksmithError(error)) throw new Error(`must be refused, not ${String(error)}`, { cause: error });
    expect(error.category).toMatch(/unavailable|integrity/);
    await undo.undo(image);
    expect(await bench.fixture.contents()).toEqual(before);
  });

  test("a volume that is not active is activated; one that was cut short does not verify", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const { image } = await bench.create();
    const volume = image.path.slice("/dev/".length);
    await run("lvchange", "-qq", "-an", volume);
    expect((await image.verify(bench.ctx)).ok).toBe(true);
    await run("lvreduce", "-qq", "-f", "-l", "-1", volume);
    const report = await image.verify(bench.ctx);
    expect(report.checks.find(({ name }) => name === "size")?.result).toBe("fail");
    await expectError(() => image.resize(BigInt(8 * MIB), bench.ctx), "DiskNotProven");
  });

  test("a volume of another uuid under the same name is not removed", async () => {
    await using bench = await BackendBench.open((services) => lvmFixture(services, LINEAR));
    const { image } = await bench.create();
    const wrong = { lv: randomUUID().replaceAll("-", "") };
    const error = await expectUntouched(bench, () =>
      expectError(() => image.remove(wrong, bench.ctx), "DiskReplaced", "integrity"),
    );
    expect(error.message).toMatch(/nothing was touched/);
  });
});
