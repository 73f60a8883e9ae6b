import { createHash, randomBytes } from "node:crypto";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type OpenStack, sharedOpenStack } from "../src/index.ts";

let openstack: OpenStack;
beforeAll(async () => {
  openstack = await sharedOpenStack();
}, 330_000);

async function download(image: Record<string, unknown>, range?: string): Promise<Response> {
  const token = await openstack.issueToken("alice");
  return fetch(`${openstack.urls.glance}/v2/images/${String(image["id"])}/file`, {
    headers: { "x-auth-token": token, ...(range === undefined ? {} : { range }) },
  });
}

function sha512(bytes: Uint8Array): string {
  return createHash("sha512").update(bytes).digest("hex");
}

test("Glance keeps an image with its hash, its properties, and serves parts of it", async () => {
  const bytes = randomBytes(300_000);
  const image = await openstack.uploadImage({
    bytes,
    properties: { hw_ephemeral_encryption: "true", min_disk: 1 },
  });
  expect(image).toMatchObject({
    status: "active",
    size: bytes.length,
    disk_format: "raw",
    os_hash_algo: "sha512",
    os_hash_value: sha512(bytes),
    hw_ephemeral_encryption: "true",
    min_disk: 1,
    owner: openstack.user("alice").projectId,
  });
  const part = await download(image, "bytes=100000-199999");
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe("bytes 100000-199999/300000");
  expect(sha512(await part.bytes())).toBe(sha512(bytes.subarray(100_000, 200_000)));
});

test("an image without content is queued", async () => {
  const image = await openstack.uploadImage({ name: "empty" });
  expect(image).toMatchObject({ status: "queued", size: null });
  expect((await download(image)).status).toBe(204);
});

test("a reader who is slow, or never comes back, keeps nobody waiting", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "luksmith-glance-"));
  const path = join(directory.path, "disk.raw");
  const bytes = randomBytes(64 << 20);
  await writeFile(path, bytes);
  const image = await openstack.uploadImage({ path });
  expect(image).toMatchObject({ size: bytes.length, os_hash_value: sha512(bytes) });
  // Its body is not read: more is under way than the sockets take.
  const slow = await download(image);
  expect(sha512(await (await download(image)).bytes())).toBe(sha512(bytes));
  await slow.body?.cancel();
}, 120_000);
