import { createHash, randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { givenToken, Passphrase } from "@luksmith/core";
import { cacheList, cachePrune, createInstance, type OpContext, parseRequest } from "@luksmith/core/host";
import { FaultProxy, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { configure, expectGood } from "../../../testing/src/cache-host.ts";
import {
  digestOf,
  passphraseOf,
  qemuDecrypt,
  requestJson,
  runTool,
  testContext,
} from "../../../testing/src/index.ts";
import { codeOf } from "./glance-host.ts";
import { glanceTempHost } from "./glance-temp-host.ts";

const MIB = 1024 * 1024;
vi.setConfig({ testTimeout: 120_000 });
const SIZE = 6 * MIB;
let cloud: OpenStack;
let proxy: FaultProxy;
let token: string;
const images = {} as Record<"raw" | "qcow2", string>;
let sha256: string;

beforeAll(async () => {
  cloud = await sharedOpenStack();
  token = await cloud.issueToken("alice");
  const directory = mkdtempSync(join(tmpdir(), "luksmith-glance-"));
  const [raw, qcow2] = [join(directory, "raw"), join(directory, "qcow2")];
  const bytes = randomBytes(SIZE);
  sha256 = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(raw, bytes);
  await runTool("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, qcow2]);
  for (const [diskFormat, path] of [
    ["raw", raw],
    ["qcow2", qcow2],
  ] as const) {
    images[diskFormat] = ((await cloud.uploadImage({ path, diskFormat })) as { id: string }).id;
  }
  rmSync(directory, { recursive: true });
}, 120_000);
beforeEach(async () => {
  proxy = await FaultProxy.start(cloud.urls.glance);
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
});

function alice(): OpContext {
  return testContext({ userToken: givenToken(new Passphrase(Buffer.from(token))) });
}

const dataRequests = (): number => proxy.requests.filter(({ path }) => path.endsWith("/file")).length;

function request(image: string, diskFormat = "raw"): ReturnType<typeof parseRequest> {
  return parseRequest(requestJson({ instance: randomUUID(), image, diskFormat }));
}

describe.each(["raw", "qcow2"] as const)("with images_type = %s", (imagesType) => {
  test.each(["raw", "qcow2"] as const)("a %s image becomes encrypted root disks", async (format) => {
    const temp = glanceTempHost(imagesType, [`api_servers = http://127.0.0.1:1, ${proxy.url}`]);
    await using host = await temp.write();
    const id = images[format];
    for (let count = 1; count <= 2; count++) {
      const { disks } = await createInstance(host, await request(id, format), alice());
      const [disk] = disks;
      expect(disk?.encryption).toBeDefined();
      using passphrase = await passphraseOf(host, disk?.encryption?.secretId);
      const decrypted = join(temp.root, `decrypted-${count}`);
      await qemuDecrypt({ path: disk?.path ?? "", format: imagesType, passphrase }, decrypted);
      expect(await digestOf(decrypted)).toBe(sha256);
    }
    expect(dataRequests()).toBe(1);
    expect(proxy.count()).toBe(3);
    await expectGood(temp, host, 2);
  });
});

describe("the cache", () => {
  test("lists and prunes downloads with the rules for bases, and keeps what is in use", async () => {
    const temp = glanceTempHost("raw", [`endpoint_override = ${proxy.url}`]);
    await using host = await temp.write();
    const id = images.raw;
    await createInstance(host, await request(id), alice());
    const path = join(temp.statePath, "glance", id);
    const listed = (await cacheList(host, alice())).downloads;
    expect(listed).toMatchObject([{ imageId: id, path, bytes: SIZE, whole: true }]);

    const prune = async (options: { dryRun: boolean; allUnused: boolean }) =>
      (await cachePrune(host, options, alice())).downloads.map(({ removed, keptBecause }) => [
        removed,
        keptBecause,
      ]);
    expect(await prune({ dryRun: false, allUnused: false })).toEqual([[false, "used lately"]]);
    expect(await prune({ dryRun: true, allUnused: true })).toEqual([[true, undefined]]);
    expect((await cacheList(host, alice())).downloads).toEqual(listed);

    const { images: service } = await host.services();
    {
      await using _open = await service.open(id, undefined, alice());
      expect(await prune({ dryRun: false, allUnused: true })).toEqual([[false, "in use"]]);
    }
    expect(await prune({ dryRun: false, allUnused: true })).toEqual([[true, undefined]]);
    expect((await cacheList(host, alice())).downloads).toEqual([]);
    await createInstance(host, await request(id), alice());
    expect(dataRequests()).toBe(2);
  });
});

describe("refused", () => {
  test("without a token, and where the request contradicts Glance", async () => {
    const temp = glanceTempHost("raw", [`api_servers = ${proxy.url}`]);
    await using host = await temp.write();
    const wanted = await request(images.raw);
    expect(await codeOf(() => createInstance(host, wanted, testContext()))).toBe("TokenMissing");
    const lying = await request(images.raw, "qcow2");
    expect(await codeOf(() => createInstance(host, lying, alice()))).toBe("ImageFormatMismatch");
    expect(dataRequests()).toBe(0);
    await expectGood(temp, host, 0);
  });
});

test("Glance is found in the catalog of the host's own account", async () => {
  const temp = glanceTempHost("raw", []);
  const { name, password } = cloud.user("hostagent");
  configure(
    temp,
    "[keystone_authtoken]",
    `auth_url = ${cloud.urls.keystone}`,
    "auth_type = password",
    `username = ${name}`,
    `password = ${password}`,
    "user_domain_id = default",
    "project_name = service",
    "project_domain_id = default",
  );
  await using host = await temp.write();
  const { disks } = await createInstance(host, await request(images.raw), alice());
  expect(disks).toHaveLength(1);
  await expectGood(temp, host, 1);
});

test("a token that ended is taken together with that of the host's service account", async () => {
  const temp = glanceTempHost("raw", [`api_servers = ${proxy.url}`]);
  const { name, password } = cloud.user("hostagent");
  configure(
    temp,
    "[service_user]",
    "send_service_user_token = true",
    `auth_url = ${cloud.urls.keystone}`,
    "auth_type = password",
    `username = ${name}`,
    `password = ${password}`,
    "user_domain_id = default",
    "project_name = service",
    "project_domain_id = default",
  );
  await using host = await temp.write();
  const expired = await cloud.issueToken("alice", { expiresInSeconds: -60 });
  const userToken = givenToken(new Passphrase(Buffer.from(expired)));
  const { disks } = await createInstance(host, await request(images.raw), testContext({ userToken }));
  expect(disks).toHaveLength(1);
  expect(proxy.requests[0]?.headerNames).toContain("x-service-token");
});
