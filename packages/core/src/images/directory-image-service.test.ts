import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import type { Command, CommandRunner } from "../command/command-runner.ts";
import { DirectoryImageService } from "./directory-image-service.ts";
import { gptDisk, isoDisk, mbrDisk } from "./inspector/fixtures/disks.ts";
import { seed, type SeedName } from "./inspector/fixtures/seed.ts";

const ID = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";
const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
const raw = { id: ID, disk_format: "raw" };
interface Answer {
  readonly format?: string;
  readonly "virtual-size"?: number;
}
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "luksmith-images-"));
  path = join(folder, ID);
});
afterEach(() => rm(folder, { recursive: true }));

const open = (declared: Parameters<DirectoryImageService["open"]>[1]) =>
  new DirectoryImageService(folder).open(ID, declared, ctx);

describe("DirectoryImageService", () => {
  it("opens the file named by the image id, declared by the request", async () => {
    await writeFile(path, Buffer.alloc(1024, 1));
    await using image = await open({ ...raw, size: 1024 });
    expect(image).toMatchObject({ id: ID, format: "raw", path, size: 1024n, virtualSize: 1024n });
  });

  it("takes the declaration from <image id>.json beside it when the request has none", async () => {
    await writeFile(path, Buffer.alloc(512));
    await writeFile(`${path}.json`, JSON.stringify({ disk_format: "raw" }));
    await using image = await open(undefined);
    expect(image.format).toBe("raw");
  });

  it("invariant 7: never guesses: without a declaration the image is refused", async () => {
    await writeFile(path, Buffer.alloc(512));
    await expect(open(undefined)).rejects.toMatchObject({ code: "ImageUnacceptable" });
    await expect(open({ id: ID, disk_format: null })).rejects.toThrow(/formats are never guessed/);
  });

  it.each<[SeedName, string]>([
    ["qcow2", "qcow2"],
    ["vmdk-sparse", "vmdk"],
    ["vmdk-stream", "vmdk"],
    ["vhdx", "vhdx"],
    ["vhd-fixed", "vhd"],
    ["vhd-dynamic", "vhd"],
  ])("invariant 7: refuses a %s declared raw, and takes it under its own name", async (name, format) => {
    await writeFile(path, seed(name));
    await expect(open(raw)).rejects.toMatchObject({
      code: "ImageFormatMismatch",
      details: { found: [format] },
    });
    await using image = await open({ id: ID, disk_format: format });
    expect(image.format).toBe(format === "vhd" ? "vpc" : format);
    expect(image.virtualSize).toBeGreaterThan(0n);
  });

  it.each([
    ["raw", gptDisk],
    ["raw", mbrDisk],
    ["iso", isoDisk],
    ["ami", gptDisk],
    ["aki", () => Buffer.alloc(4096, 0x90)],
    ["ari", () => Buffer.alloc(4096, 7)],
  ])("takes what is declared %s as raw bytes", async (disk_format, build) => {
    const bytes = build();
    await writeFile(path, bytes);
    await using image = await open({ id: ID, disk_format });
    expect(image).toMatchObject({ format: "raw", virtualSize: BigInt(bytes.length) });
    expect(image.encryption).toBeUndefined();
  });

  it("refuses hostile images with a code of the image's own fault", async () => {
    await writeFile(path, seed("qcow2-backing"));
    await expect(open({ id: ID, disk_format: "qcow2" })).rejects.toMatchObject({ code: "Qcow2BackingFile" });
    await writeFile(path, Buffer.alloc(512));
    await expect(open({ id: ID, disk_format: "punchcard" })).rejects.toMatchObject({
      code: "UnsupportedImageFormat",
    });
  });

  describe("encrypted images", () => {
    const secret = "0b2f1c84-3b7d-4e59-9c0a-d8e5b71f4a26";
    const properties = { hw_ephemeral_encryption_secret_uuid: secret };

    it.each<[SeedName, string, string]>([
      ["luks", "raw", "raw"],
      ["luks", "luks", "raw"],
      ["qcow2-luks", "qcow2", "qcow2"],
    ])("takes %s declared %s with the property of its secret", async (name, disk_format, format) => {
      await writeFile(path, seed(name));
      await using image = await open({ id: ID, disk_format, properties });
      expect(image).toMatchObject({ format, encryption: { format: "luks", secretId: secret } });
      await using same = await open({ id: ID, disk_format, properties: { os_encrypt_key_id: secret } });
      expect(same.encryption).toEqual(image.encryption);
      expect(image.virtualSize).toBe(format === "raw" ? 1n << 20n : image.virtualSize);
    });

    it("reads the property from <image id>.json, too", async () => {
      await writeFile(path, seed("luks"));
      await writeFile(`${path}.json`, JSON.stringify({ disk_format: "raw", ...properties }));
      await using image = await open(undefined);
      expect(image.encryption).toEqual({ format: "luks", secretId: secret });
    });

    it.each<[SeedName, string]>([
      ["luks", "raw"],
      ["qcow2-luks", "qcow2"],
    ])("refuses %s without a secret, naming the property to set", async (name, disk_format) => {
      await writeFile(path, seed(name));
      const opened = open({ id: ID, disk_format });
      await expect(opened).rejects.toMatchObject({ code: "ImageEncrypted" });
      await expect(opened).rejects.toThrow(/hw_ephemeral_encryption_secret_uuid or os_encrypt_key_id/);
    });

    it("refuses plain images that name a secret", async () => {
      await writeFile(path, gptDisk());
      await expect(open({ ...raw, properties })).rejects.toMatchObject({ code: "ImageNotEncrypted" });
      await writeFile(path, seed("qcow2"));
      await expect(open({ id: ID, disk_format: "qcow2", properties })).rejects.toThrow(
        /hw_ephemeral_encryption_secret_uuid/,
      );
    });

    it("refuses LUKS2, headers that cost too much, and a data area that ends within a sector", async () => {
      const luks2 = seed("luks");
      luks2.writeUInt16BE(2, 6);
      await writeFile(path, luks2);
      await expect(open({ ...raw, properties })).rejects.toMatchObject({ code: "LuksVersionUnsupported" });
      const costly = seed("luks");
      costly.writeUInt32BE(12_000_001, 208 + 4);
      await writeFile(path, costly);
      await expect(open({ ...raw, properties })).rejects.toMatchObject({ code: "LuksHeaderHostile" });
      await writeFile(path, Buffer.concat([seed("luks"), Buffer.alloc(100)]));
      await expect(open({ ...raw, properties })).rejects.toMatchObject({ code: "ImageTruncated" });
    });

    it.each([
      [{ ...properties, os_encrypt_key_id: ID }, /name two secrets/],
      [{ os_encrypt_key_id: "../key" }, /is not the UUID of a secret/],
    ])("refuses properties that cannot be right: %o", async (wrong, message) => {
      await writeFile(path, seed("luks"));
      await expect(open({ ...raw, properties: wrong })).rejects.toThrow(message);
    });
  });

  describe("asks qemu-img", () => {
    const asked = (answer: Answer) => {
      const runs: Command[] = [];
      const run: CommandRunner["run"] = async (command) => {
        runs.push(command);
        return { exitCode: 0, stdout: JSON.stringify(answer), stderr: "" };
      };
      const service = new DirectoryImageService(folder, { commands: { run } });
      return { runs, open: (disk_format: string) => service.open(ID, { id: ID, disk_format }, ctx) };
    };

    it("under limits, by driver and descriptor, never by name", async () => {
      await writeFile(path, seed("qcow2"));
      const { runs, open: openAsked } = asked({ format: "qcow2", "virtual-size": 10 << 20 });
      await using _image = await openAsked("qcow2");
      expect(runs).toMatchObject([
        { file: "qemu-img", limits: { addressSpaceBytes: 1 << 30, cpuSeconds: 30 }, inheritFds: [_image.fd] },
      ]);
      expect(runs[0]?.args.at(-1)).toBe("driver=qcow2,file.driver=file,file.filename=/dev/fd/3");
    });

    it.each<Answer>([
      { format: "raw", "virtual-size": 10 << 20 },
      { format: "qcow2", "virtual-size": (10 << 20) + 512 },
      {},
    ])("and refuses when it disagrees: %o", async (answer) => {
      await writeFile(path, seed("qcow2"));
      await expect(asked(answer).open("qcow2")).rejects.toMatchObject({ code: "ImageFormatMismatch" });
    });

    it("but not about raw bytes", async () => {
      await writeFile(path, gptDisk());
      const { runs, open: openAsked } = asked({});
      await using _image = await openAsked("raw");
      expect(runs).toEqual([]);
    });
  });

  it("refuses an image whose size is not the declared one", async () => {
    await writeFile(path, Buffer.alloc(512));
    await truncate(path, 511);
    await expect(open({ ...raw, size: 512 })).rejects.toThrow(/has 511 bytes where 512 are declared/);
  });

  it("says where a missing image is looked for", async () => {
    await expect(open(raw)).rejects.toMatchObject({ code: "ImageNotFound", details: { path } });
  });

  it("refuses a link, a directory, and an id that is a path", async () => {
    await symlink("/etc/hostname", path);
    await expect(open(raw)).rejects.toThrow(/symbolic link/);
    const service = new DirectoryImageService(tmpdir());
    await expect(service.open("../../etc/passwd", raw, ctx)).rejects.toMatchObject({ code: "ImageNotFound" });
  });
});
