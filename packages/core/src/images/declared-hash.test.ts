import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import { DirectoryImageService } from "./directory-image-service.ts";

const ID = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";
const BYTES = randomBytes(1024 * 1024 + 512);
const digest = (algorithm: string, bytes = BYTES) => createHash(algorithm).update(bytes).digest("hex");

let folder: string;
let path: string;
let hashed: number;
let service: DirectoryImageService;
const ctx: OpContext = {
  requestId: "req-test",
  signal: new AbortController().signal,
  log: silentLogger,
  progress: ({ step, doneBytes, totalBytes }) => {
    if (step === `check image ${ID}` && doneBytes === totalBytes) hashed++;
  },
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-hash-"));
  path = join(folder, ID);
  await writeFile(path, BYTES);
  hashed = 0;
  service = new DirectoryImageService(folder, { verifyHash: true });
});
afterEach(() => rm(folder, { recursive: true }));

const take = async (os_hash_algo: string | null, os_hash_value: string | null, on = ctx) => {
  const image = await service.open(ID, { id: ID, disk_format: "raw", os_hash_algo, os_hash_value }, on);
  await image[Symbol.asyncDispose]();
};

describe("an image with a declared digest", () => {
  it.each(["md5", "sha1", "sha256", "sha512", "SHA512"])(
    "is taken when its %s is that",
    async (algorithm) => {
      await take(algorithm, digest(algorithm).toUpperCase());
      expect(hashed).toBe(1);
    },
  );

  it("is refused when it is another, each time", async () => {
    for (let i = 0; i < 2; i++) {
      await expect(take("sha256", digest("sha256", Buffer.from("other")))).rejects.toMatchObject({
        code: "ImageUnacceptable",
        message: expect.stringContaining(digest("sha256")),
      });
    }
    expect(hashed).toBe(2);
  });

  it.each([
    ["crc32", "00000000"],
    ["shake256", "00"],
    ["constructor", "00"],
    ["sha256", digest("md5")],
    ["sha256", "g".repeat(64)],
    ["sha256", null],
    [null, digest("sha256")],
  ])("that says %s and %s is refused", async (algorithm, value) => {
    await expect(take(algorithm, value)).rejects.toMatchObject({ code: "ImageUnacceptable" });
    expect(hashed).toBe(0);
  });

  it("is hashed once while it stays as it is, and again for another digest", async () => {
    for (let i = 0; i < 3; i++) await take("sha256", digest("sha256"));
    expect(hashed).toBe(1);
    await take("sha512", digest("sha512"));
    expect(hashed).toBe(2);
  });

  it("is refused when it was changed in place, its old times put back", async () => {
    await take("sha256", digest("sha256"));
    const { atime, mtime } = await stat(path);
    // Longer than the clock of a file system takes to tick.
    await sleep(20);
    {
      await using file = await open(path, "r+");
      await file.write(Buffer.from([(BYTES[4000] ?? 0) ^ 1]), 0, 1, 4000);
    }
    await utimes(path, atime, mtime);
    await expect(take("sha256", digest("sha256"))).rejects.toMatchObject({ code: "ImageUnacceptable" });
  });

  it("is not hashed to the end when cancelled", async () => {
    const cancelling = new AbortController();
    const on = { ...ctx, signal: cancelling.signal, progress: () => cancelling.abort() };
    await expect(take("sha256", digest("sha256"), on)).rejects.toMatchObject({ code: "Cancelled" });
  });

  it("is not hashed without one", async () => {
    await take(null, null);
    expect(hashed).toBe(0);
  });
});
