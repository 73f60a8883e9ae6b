import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, rename, stat, statfs, truncate } from "node:fs/promises";
import { dirname, join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { BackendBench, type MadeDisk, MIB, RecordingRollback, sourceImage } from "@luksmith/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { dropCheckpoint, listCheckpoints, rollBack, takeCheckpoint } from "../src/checkpoints.ts";
import type { DiskPlace } from "../src/disk-place.ts";
import { reflinkFixture } from "./reflink-fixture.ts";
import { folderOf, reflinkStorage } from "./storage.ts";

const storage = reflinkStorage("xfs");
const HEADER = 2 * MIB;

function placeOf({ disk, image }: MadeDisk): DiskPlace {
  const directory = dirname(dirname(image.path));
  return { directory, instanceUuid: disk.instanceUuid, name: disk.name };
}

async function refusal(act: Promise<unknown>): Promise<unknown> {
  return await act.then(
    () => "nothing was refused",
    (error: { code?: string }) => error.code,
  );
}

describe.skipIf(typeof storage === "string")("checkpoints", () => {
  if (typeof storage === "string") return;
  afterAll(() => storage[Symbol.dispose]());
  const open = () => BackendBench.open((services) => reflinkFixture(folderOf(storage), services));

  test("give a disk its content back, to the guest's byte", async () => {
    await using bench = await open();
    await using source = await sourceImage(4 * MIB);
    const made = await bench.create({ kind: "image", image: source });
    const { oracle } = bench.fixture;
    await takeCheckpoint(placeOf(made), "before");
    await oracle.write(made.image, made.passphrase, MIB, randomBytes(MIB));
    expect(source.bytes.equals(await oracle.read(made.image, made.passphrase))).toBe(false);
    for (let time = 0; time < 2; time += 1) await rollBack(placeOf(made), "before");
    expect(source.bytes.equals(await oracle.read(made.image, made.passphrase))).toBe(true);
    expect((await made.image.verify(bench.ctx)).ok).toBe(true);
    expect((await stat(made.image.path)).mode & 0o777).toBe(0o600);
    expect(await listCheckpoints(placeOf(made))).toMatchObject([{ name: "before", fits: true }]);
    expect((await readdir(dirname(made.image.path))).toSorted()).toEqual(["disk", "disk@before"]);
  });

  test("hold no key: not one block of the header", async () => {
    await using bench = await open();
    const made = await bench.create();
    await takeCheckpoint(placeOf(made), "one");
    const [disk, checkpoint] = await Promise.all(
      [made.image.path, `${made.image.path}@one`].map((path) => readFile(path)),
    );
    expect(checkpoint?.subarray(HEADER).equals(disk?.subarray(HEADER) ?? Buffer.alloc(0))).toBe(true);
    expect(checkpoint?.subarray(4096, HEADER).every((byte) => byte === 0)).toBe(true);
    expect(checkpoint?.toString("latin1", 0, 4096)).toMatch(/^\{"format":"luksmith-reflink-checkpoint-1"/);
    const { oracle } = bench.fixture;
    const looked = oracle.opens(
      Object.assign(Object.create(made.image), { path: `${made.image.path}@one` }),
      made.passphrase,
    );
    await expect(looked).rejects.toThrow();
  });

  test("share blocks with their disk", async () => {
    await using bench = await open();
    await using source = await sourceImage(16 * MIB);
    const made = await bench.create({ kind: "image", image: source }, { virtualSize: BigInt(16 * MIB) });
    const free = async (): Promise<number> => (await statfs(storage.directory)).bavail;
    const { bsize } = await statfs(storage.directory);
    const before = await free();
    for (const name of ["a", "b", "c", "d"]) await takeCheckpoint(placeOf(made), name);
    // Each has a header area of its own, of 2 MiB, and shares the 16 MiB after it.
    expect((before - (await free())) * bsize).toBeLessThan(4 * HEADER + 4 * MIB);
  });

  test("survive a change of the passphrase, and an erased disk takes them with it", async () => {
    await using bench = await open();
    await using source = await sourceImage(4 * MIB);
    const made = await bench.create({ kind: "image", image: source });
    const { image, disk } = made;
    await takeCheckpoint(placeOf(made), "old");
    await bench.fixture.oracle.write(image, made.passphrase, 0, randomBytes(4096));
    using passphrase = GeneratedPassphrase.create();
    const { id } = await bench.keys.create({ name: "next", passphrase }, bench.ctx);
    const mark = await image.rekey({ passphrase, secretId: id }, new RecordingRollback(), bench.ctx);
    const next = bench.image({ ...disk, encryption: { format: "luks", secretId: id } });
    await next.dropKey(mark, bench.ctx);
    await rollBack(placeOf(made), "old");
    expect(source.bytes.equals(await bench.fixture.oracle.read(next, passphrase))).toBe(true);
    expect(await bench.fixture.oracle.opens(next, made.passphrase)).toBe(false);
    await next.erase(bench.ctx);
    await rollBack(placeOf(made), "old");
    expect(await bench.fixture.oracle.opens(next, passphrase)).toBe(false);
  });

  test("keep the size of a disk that has grown", async () => {
    await using bench = await open();
    const made = await bench.create();
    await takeCheckpoint(placeOf(made), "small");
    const virtualSize = BigInt(6 * MIB + 512);
    await made.image.resize(virtualSize, bench.ctx);
    await rollBack(placeOf(made), "small");
    const grown = bench.image({ ...made.disk, virtualSize });
    expect((await grown.verify(bench.ctx)).ok).toBe(true);
  });

  test("go with their disk, and only with theirs", async () => {
    await using bench = await open();
    const made = await bench.create();
    const { instanceUuid } = made.disk;
    const other = await bench.create(undefined, { instanceUuid, name: "disk.eph0" });
    await takeCheckpoint(placeOf(made), "a");
    await takeCheckpoint(placeOf(other), "a");
    const folder = dirname(made.image.path);
    const left = ".disk.eph0.00000000-0000-4000-8000-000000000000.rollback";
    await rename(join(folder, "disk@a"), join(folder, ".disk@a.lost"));
    await takeCheckpoint(placeOf(made), "b");
    await rename(join(folder, "disk@b"), join(folder, left));
    await made.image.remove((await made.image.identify(bench.ctx)) ?? {}, bench.ctx);
    expect((await readdir(folder)).toSorted()).toEqual([left, "disk.eph0", "disk.eph0@a"]);
    await other.image.remove((await other.image.identify(bench.ctx)) ?? {}, bench.ctx);
    await expect(stat(folder)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("are refused where they do not fit, and nothing is touched", async () => {
    await using bench = await open();
    const [made, stranger] = [await bench.create(), await bench.create()];
    const [place, theirs] = [placeOf(made), placeOf(stranger)];
    await takeCheckpoint(place, "one");
    await takeCheckpoint(theirs, "one");
    const plain = await bench.createPlain({ kind: "blank" });
    const plainPlace = { ...place, instanceUuid: plain.disk.instanceUuid };
    await rename(`${stranger.image.path}@one`, `${made.image.path}@theirs`);
    const before = await bench.fixture.contents();
    expect(await refusal(rollBack(place, "theirs"))).toBe("DiskReplaced");
    expect(await refusal(rollBack(place, "none"))).toBe("ImageNotFound");
    expect(await refusal(takeCheckpoint(place, "one"))).toBe("TargetExists");
    expect(await refusal(takeCheckpoint(plainPlace, "one"))).toBe("UnsupportedOperation");
    expect(await refusal(takeCheckpoint({ ...place, name: "disk.none" }, "one"))).toBe("DiskNotFound");
    for (const name of ["../x", "", "a/b", ".a", "a@b\0"]) {
      expect(await refusal(takeCheckpoint(place, name)), name).toBe("UsageError");
      expect(await refusal(dropCheckpoint({ ...place, name }, "one")), name).toBe("UsageError");
      expect(await refusal(dropCheckpoint({ ...place, instanceUuid: name }, "one"))).toBe("UsageError");
    }
    expect(await bench.fixture.contents()).toEqual(before);
    expect(await listCheckpoints(place)).toMatchObject([{ fits: true }, { name: "theirs", fits: false }]);
    await truncate(`${made.image.path}@theirs`, 0);
    expect(await refusal(rollBack(place, "theirs"))).toBe("ImageUnacceptable");
    for (let time = 0; time < 2; time += 1) await dropCheckpoint(place, "theirs");
  });

  test("wait until nobody uses the disk", async () => {
    await using bench = await open();
    const made = await bench.create();
    await takeCheckpoint(placeOf(made), "one");
    await using guest = await holdLock(made.image.path);
    expect(guest.pid).toBeGreaterThan(0);
    const before = await bench.fixture.contents();
    expect(await refusal(takeCheckpoint(placeOf(made), "two"))).toBe("DiskInUse");
    expect(await refusal(rollBack(placeOf(made), "one"))).toBe("DiskInUse");
    expect(await bench.fixture.contents()).toEqual(before);
  });
});

/** Another process that locks the file, as QEMU does. */
async function holdLock(path: string): Promise<AsyncDisposable & { readonly pid: number }> {
  const child = spawn("flock", ["--shared", path, "sh", "-c", "echo locked; exec sleep 600"], {
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  await once(child.stdout, "data");
  const { pid = 0 } = child;
  return {
    pid,
    [Symbol.asyncDispose]: async () => {
      process.kill(-pid, "SIGKILL");
      await once(child, "close");
    },
  };
}
