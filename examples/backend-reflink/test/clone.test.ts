import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageServices } from "@luksmith/core";
import { BackendBench, MIB, RecordingRollback, sourceImage } from "@luksmith/testkit";
import { afterAll, describe, expect, test } from "vitest";
import { cloneTrouble } from "../src/clone.ts";
import { reflinkFixture } from "./reflink-fixture.ts";
import { folderOf, reflinkStorage, type Storage } from "./storage.ts";

/** What else may change on a file system meanwhile. */
const SLACK = BigInt(MIB) / 2n;

async function used(directory: string): Promise<bigint> {
  execFileSync("sync", ["-f", directory]);
  const { blocks, bfree, bsize } = await statfs(directory, { bigint: true });
  return (blocks - bfree) * bsize;
}

function bench(storage: Storage): Promise<BackendBench> {
  return BackendBench.open((services) => reflinkFixture(folderOf(storage), services));
}

for (const kind of ["xfs", "btrfs"] as const) {
  const storage = reflinkStorage(kind);
  describe.skipIf(typeof storage === "string")(
    `on ${kind}${typeof storage === "string" ? ` (${storage})` : ""}`,
    () => {
      if (typeof storage === "string") return;
      afterAll(() => storage[Symbol.dispose]());

      test("files can share blocks, and to find out leaves nothing", async () => {
        const folder = folderOf(storage);
        expect(await cloneTrouble(folder)).toBeUndefined();
        expect(await cloneTrouble(join(folder, "not/there"))).toBeUndefined();
        expect(await readdir(folder)).toEqual([]);
      });

      test("a plain disk of an image, and a plain copy of it, take no room", async () => {
        await using made = await bench(storage);
        const folder = folderOf(storage);
        const bytes = randomBytes(16 * MIB);
        const path = join(folder, "image");
        await writeFile(path, bytes);
        await using file = await open(path, "r");
        const size = BigInt(bytes.length);
        const image = {
          id: randomUUID(),
          format: "raw" as const,
          path,
          fd: file.fd,
          size,
          virtualSize: size,
        };
        const before = await used(storage.directory);
        const source = { ...image, [Symbol.asyncDispose]: async () => {} };
        const disk = await made.createPlain({ kind: "image", image: source }, size + 512n);
        const target = join(folder, "copy");
        const copy = { path: target, format: "raw" as const, uuid: randomUUID(), operation: randomUUID() };
        await disk.snapshot(copy, new RecordingRollback(), made.ctx);
        expect((await used(storage.directory)) - before).toBeLessThan(SLACK);
        for (const each of [disk.path, target]) {
          const found = await readFile(each);
          expect(found.length).toBe(16 * MIB + 512);
          expect(found.subarray(0, 16 * MIB).equals(bytes)).toBe(true);
          expect((await stat(each)).mode & 0o777).toBe(0o600);
        }
      });

      test("a disk that comes as a file takes no room; a snapshot with its own key does", async () => {
        await using made = await bench(storage);
        await using source = await sourceImage(8 * MIB);
        const { image, disk, passphrase } = await made.create(
          { kind: "image", image: source },
          { virtualSize: BigInt(8 * MIB) },
        );
        const target = made.fixture.snapshots?.target() ?? "";
        const { uuid } = disk;
        const copy = { path: target, format: "raw" as const, uuid, operation: randomUUID(), passphrase };
        const start = await used(storage.directory);
        await image.snapshot(copy, new RecordingRollback(), made.ctx);
        expect((await used(storage.directory)) - start).toBeGreaterThan(BigInt(8 * MIB) - SLACK);
        const identity = await image.identify(made.ctx);
        await image.remove(identity ?? {}, made.ctx);
        const before = await used(storage.directory);
        await image.adopt?.(target, new RecordingRollback(), made.ctx);
        expect((await used(storage.directory)) - before).toBeLessThan(SLACK);
        expect((await image.verify(made.ctx)).ok).toBe(true);
      });
    },
  );
}

/** On tmpfs, which has no reflinks in any kernel. */
async function onTmpfs<T>(
  reflink: "required" | "preferred",
  act: (made: BackendBench, root: string) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp("/dev/shm/luksmith-reflink-");
  const make = async (services: ImageServices) => {
    await mkdir(join(root, "bench"));
    return await reflinkFixture(join(root, "bench"), services, reflink);
  };
  try {
    await using made = await BackendBench.open(make);
    return await act(made, root);
  } finally {
    await rm(root, { recursive: true });
  }
}

describe("where files cannot share blocks", () => {
  test("it says so, and leaves nothing", async () => {
    await onTmpfs("required", async (made, root) => {
      expect(await cloneTrouble(root)).toMatch(/put it on XFS or Btrfs/);
      expect(await made.fixture.backend.ready?.(made.ctx)).toMatch(/put it on XFS or Btrfs/);
      const { image, passphrase, undo } = await made.describe();
      const before = await made.fixture.contents();
      const creating = image.create({ source: { kind: "blank" }, passphrase }, undo, made.ctx);
      await expect(creating).rejects.toMatchObject({ code: "REFLINK_MISSING", category: "unsupported" });
      expect(undo.size).toBe(0);
      expect(await made.fixture.contents()).toEqual(before);
    });
  });

  test("it copies, if that was asked for", async () => {
    await onTmpfs("preferred", async (made) => {
      expect(await made.fixture.backend.ready?.(made.ctx)).toBeUndefined();
      await using source = await sourceImage(4 * MIB);
      const { image, disk, passphrase } = await made.create({ kind: "image", image: source });
      // From another file system, too.
      const elsewhere = await mkdtemp(join(tmpdir(), "luksmith-reflink-"));
      const path = join(elsewhere, "copy");
      const { uuid } = disk;
      const copy = { path, format: "raw" as const, uuid, operation: randomUUID(), passphrase };
      await image.snapshot(copy, new RecordingRollback(), made.ctx);
      await image.remove((await image.identify(made.ctx)) ?? {}, made.ctx);
      await image.adopt?.(path, new RecordingRollback(), made.ctx);
      expect((await image.verify(made.ctx)).ok).toBe(true);
      const seen = await made.fixture.oracle.read(image, passphrase);
      expect(source.bytes.equals(seen)).toBe(true);
      await rm(elsewhere, { recursive: true });
    });
  });
});
