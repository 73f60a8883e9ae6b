import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { testContext } from "@luksmith/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeGlance } from "./fake-glance.ts";
import { codeOf, glanceHost, namesIn, readImage, userContext } from "./glance-host.ts";
import { tempDirectory } from "../../../testing/src/index.ts";

const SIZE = 65_536;
const SECRET = "3f2b8f57-56a5-4a3e-a6a5-2f2f7e6c2a11";
let glance: FakeGlance;

beforeEach(async () => {
  glance = await FakeGlance.start();
});
afterEach(async () => {
  await glance[Symbol.asyncDispose]();
});

describe("before any download", () => {
  test("no token", async () => {
    const { id } = glance.add(SIZE);
    const { service } = glanceHost([glance.url]);
    expect(await codeOf(() => service.open(id, undefined, testContext()))).toBe("TokenMissing");
    expect(glance.metadataRequests).toEqual([]);
  });

  test("an id that is none", async () => {
    const { service } = glanceHost([glance.url]);
    for (const id of ["", "..", "../../etc/passwd", "A".repeat(36)]) {
      expect(await codeOf(() => service.open(id, undefined, userContext()))).toBe("ImageNotFound");
    }
    expect(glance.metadataRequests).toEqual([]);
  });

  test.each(["queued", "saving", "importing", "deactivated", "killed", "deleted", "pending_delete"])(
    "an image that is %s",
    async (status) => {
      const { id } = glance.add(SIZE, { status });
      const { service } = glanceHost([glance.url]);
      expect(await codeOf(() => readImage(service, id))).toBe("ImageNotActive");
      expect(glance.ranges).toEqual([]);
    },
  );

  test.each([
    [{ container_format: "ova" }, "UnsupportedImageFormat"],
    [{ container_format: "docker" }, "UnsupportedImageFormat"],
    [{ container_format: "compressed" }, "UnsupportedImageFormat"],
    [{ container_format: "ami" }, "UnsupportedImageFormat"],
    [{ disk_format: "vdi" }, "UnsupportedImageFormat"],
    [{ disk_format: "something" }, "UnsupportedImageFormat"],
    [{ disk_format: null }, "ImageUnacceptable"],
    [{ size: null }, "ImageUnacceptable"],
    [{ os_hash_algo: "shake_256" }, "ImageUnacceptable"],
    [{ os_hash_value: "xyz" }, "ImageUnacceptable"],
    [{ os_hash_value: "0".repeat(64) }, "ImageUnacceptable"],
  ])("%j", async (fields, code) => {
    const { id } = glance.add(SIZE, fields);
    const { service } = glanceHost([glance.url]);
    expect(await codeOf(() => readImage(service, id))).toBe(code);
    expect(glance.ranges).toEqual([]);
  });

  test.each([
    [{ disk_format: "qcow2" }, "ImageFormatMismatch"],
    [{ size: SIZE + 1 }, "ImageUnacceptable"],
    [{ virtual_size: SIZE + 1 }, "ImageUnacceptable"],
    [{ os_hash_value: "0".repeat(128) }, "ImageUnacceptable"],
    [{ os_hash_algo: "sha256" }, "ImageUnacceptable"],
    [{ properties: { hw_ephemeral_encryption_secret_uuid: SECRET } }, "ImageUnacceptable"],
  ])("a request that contradicts Glance: %j", async (declared, code) => {
    const { id } = glance.add(SIZE, { virtual_size: SIZE });
    const { service } = glanceHost([glance.url]);
    expect(await codeOf(() => service.open(id, { id, ...declared }, userContext()))).toBe(code);
    expect(glance.ranges).toEqual([]);
  });

  test("a request that leaves out that the image wants encryption, or its secret", async () => {
    const { service } = glanceHost([glance.url]);
    for (const property of [{ hw_ephemeral_encryption: "True" }, { os_encrypt_key_id: SECRET }]) {
      const { id } = glance.add(SIZE, property);
      const open = () => service.open(id, { id, properties: {} }, userContext());
      expect(await codeOf(open)).toBe("ImageUnacceptable");
    }
    expect(glance.ranges).toEqual([]);
  });

  test("what the request leaves out, or asks for besides, is no contradiction", async () => {
    const { id } = glance.add(SIZE, { container_format: null });
    const { service } = glanceHost([glance.url]);
    const declared = {
      id,
      disk_format: "raw",
      size: null,
      virtual_size: 5,
      properties: { hw_ephemeral_encryption: "true", hw_disk_bus: "scsi" },
    };
    await using file = await service.open(id, declared, userContext());
    expect(file.size).toBe(BigInt(SIZE));
  });

  test("too little space", async () => {
    const { id } = glance.add(SIZE, { size: Number.MAX_SAFE_INTEGER });
    const { service, directory } = glanceHost([glance.url]);
    expect(await codeOf(() => readImage(service, id))).toBe("NoSpace");
    expect(glance.ranges).toEqual([]);
    expect(namesIn(directory)).toEqual([]);
  });
});

describe("the directory", () => {
  test("must be ours alone", async () => {
    const { id } = glance.add(SIZE);
    const directory = join(tempDirectory(), "open");
    mkdirSync(directory, { mode: 0o755 });
    const { service } = glanceHost([glance.url], { directory });
    expect(await codeOf(() => readImage(service, id))).toBe("StateDirectoryUnsafe");
  });

  test("may be no link", async () => {
    const { id } = glance.add(SIZE);
    const root = tempDirectory();
    const real = join(root, "real");
    mkdirSync(real, { mode: 0o700 });
    symlinkSync(real, join(root, "link"));
    const { service } = glanceHost([glance.url], { directory: join(root, "link") });
    expect(await codeOf(() => readImage(service, id))).toBe("StateDirectoryUnsafe");
  });
});

test("bytes that are not what Glance says they are", async () => {
  const { id } = glance.add(SIZE, { disk_format: "qcow2" });
  const { service } = glanceHost([glance.url]);
  expect(await codeOf(() => readImage(service, id))).toBe("ImageFormatMismatch");
});
