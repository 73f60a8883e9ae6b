import { mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { OpContext } from "../image/op-context.ts";
import { silentLogger } from "../log/logger.ts";
import { DirectoryImageService } from "./directory-image-service.ts";

const ID = "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26";
const ctx: OpContext = { requestId: "req-test", signal: new AbortController().signal, log: silentLogger };
const raw = { id: ID, disk_format: "raw" };
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

  it.each([
    ["qcow2", 0, Buffer.from([0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3])],
    ["vmdk", 0, Buffer.from("KDMV")],
    ["vmdk", 0, Buffer.from("# Disk DescriptorFile\n")],
    ["vhdx", 0, Buffer.from("vhdxfile")],
    ["qed", 0, Buffer.from("QED\0")],
    ["vdi", 0x40, Buffer.from([0x7f, 0x10, 0xda, 0xbe])],
    ["luks", 0, Buffer.from("LUKS\xba\xbe\0\x01", "latin1")],
    ["iso", 0x8001, Buffer.from("CD001")],
    ["vhd", 65536 - 512, Buffer.from("conectix")],
  ])("invariant 7: refuses %s bytes declared raw", async (name, at, bytes) => {
    const content = Buffer.alloc(65536);
    bytes.copy(content, at);
    await writeFile(path, content);
    await expect(open(raw)).rejects.toMatchObject({
      code: "ImageFormatMismatch",
      details: { found: [name] },
    });
  });

  it("accepts a raw image with a partition table", async () => {
    const content = Buffer.alloc(4096);
    content.write("EFI PART", 512);
    content.set([0x55, 0xaa], 510);
    await writeFile(path, content);
    await using image = await open(raw);
    expect(image.format).toBe("raw");
  });

  it("refuses a format it cannot fill a disk from, by name", async () => {
    await writeFile(path, Buffer.alloc(512));
    await expect(open({ id: ID, disk_format: "qcow2" })).rejects.toMatchObject({
      code: "UnsupportedImageFormat",
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
