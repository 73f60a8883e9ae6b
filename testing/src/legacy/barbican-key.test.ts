import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { mkdirSync, readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { findInstance, migrateLegacy, verifyDisks, WritableHost } from "@luksmith/core/host";
import { call, sharedDmKernel, sharedOpenStack } from "@luksmith/testing-services";
import { expect, test, vi } from "vitest";
import { barbicanPlugins, contextWith } from "../openstack/openstack-host.ts";
import { TempHost } from "../temp-host.ts";
import type { TestContext } from "../workspace.ts";
import { importVolumes } from "./file-volumes.ts";
import { addPlainInstance, guestDigest } from "./plain-record.ts";

const MIB = 1 << 20;
/** Barbican's own plugin makes no longer keys for an order without a mode, and castellan gives none. */
const BITS = 256;
const OPTIONS = { cipher: "aes-xts-plain64", key_size: BITS, hash: "ripemd160" };

vi.stubEnv("LUKSMITH_FILE_VOLUMES", "1");

test("a disk that Nova made with a symmetric key in Barbican opens, and is migrated; the key stays Nova's", async () => {
  const [kernel, openstack] = await Promise.all([sharedDmKernel(), sharedOpenStack()]);
  const token = await openstack.issueToken("alice");
  const ctx = contextWith(token);
  const { secretId, key } = await orderKey(`${openstack.urls.barbican}/v1`, token);
  expect(key).toHaveLength(BITS / 8);
  const content = randomBytes(8 * MIB);
  content.fill(0, 446, 510).set([0x55, 0xaa], 510);

  await using group = await kernel.volumeGroup();
  const shared = join(kernel.sharedDirectory, randomUUID());
  const [name, lv] = [randomUUID(), `/dev/${group.name}/nova_disk`];
  await kernel.must(["lvcreate", "-qq", "-y", "-Wn", "-Zn", "-L", "8M", "-n", "nova_disk", group.name]);
  // Nova's command; the hash is what its cryptsetup takes by itself.
  const options = ["--cipher=aes-xts-plain64", `--key-size=${BITS}`, "--key-file=-"];
  await kernel.must(["cryptsetup", "create", name, lv, ...options], {
    stdin: Buffer.from(key.toString("hex")),
  });
  await kernel.must(
    ["dd", `of=/dev/mapper/${name}`, "bs=1M", "iflag=fullblock", "conv=fsync", "status=none"],
    {
      stdin: content,
    },
  );
  await kernel.must(["cryptsetup", "remove", name]);
  await kernel.must(["dd", `if=${lv}`, `of=${shared}`, "bs=1M", "status=none"]);

  const { plugins, sections } = barbicanPlugins(openstack);
  const on = new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/legacy-dmcrypt", ...plugins],
    sections,
  });
  const uuid = randomUUID();
  mkdirSync(join(on.instancesPath, uuid));
  const path = join(on.instancesPath, uuid, "disk");
  await copyFile(shared, path);
  expect(readFileSync(path).equals(content)).toBe(false);
  await using host = await opened(on, ctx);
  const encryption = { format: "plain", secretId, options: { ...OPTIONS, adopted: true } } as const;
  await addPlainInstance(host, uuid, BigInt(content.length), encryption, ctx);
  const digest = createHash("sha256").update(content).digest("hex");
  expect(await guestDigest(host, uuid, ctx)).toBe(digest);
  const [report] = await verifyDisks(host, uuid, ctx);
  expect(report?.disks[0]?.checks).toContainEqual(
    expect.objectContaining({
      name: "key",
      result: "pass",
      message: expect.stringContaining("partition table"),
    }),
  );
  await migrateLegacy(host, uuid, { acceptUnproven: false }, ctx);
  expect(await guestDigest(host, uuid, ctx)).toBe(digest);
  const [disk] = (await findInstance(host, uuid)).disks;
  expect(disk?.encryption?.format).toBe("luks");
  expect(disk?.encryption?.secretId).not.toBe(secretId);
  using kept = await (await host.services()).keys.get({ id: secretId }, ctx);
  expect(kept.use((bytes) => Buffer.from(bytes).toString("latin1")) === key.toString("hex")).toBe(true);
}, 600_000);

async function opened(on: TempHost, ctx: TestContext): Promise<WritableHost> {
  return await WritableHost.write(await on.config(), { importModule: importVolumes, command: "a test" }, ctx);
}

/**
 * A key as Nova's API has it made: castellan orders it, with nothing but what these two say, and asks until it is there. Barbican
 * makes the bytes, of which the compute host gives cryptsetup the hexadecimal digits.
 */
async function orderKey(v1: string, token: string): Promise<{ secretId: string; key: Buffer }> {
  const json = { type: "key", meta: { algorithm: "aes", bit_length: BITS } };
  const ordered = await call("POST", `${v1}/orders`, { token, json });
  const { order_ref: order } = ordered.body as { readonly order_ref: string };
  for (;;) {
    const { body } = await call("GET", `${v1}/orders/${order.slice(-36)}`, { token });
    const { status, secret_ref: secret } = body as { readonly status: string; readonly secret_ref?: string };
    if (status === "ERROR") throw new Error(`Barbican did not make the key: ${JSON.stringify(body)}`);
    if (status === "ACTIVE" && secret !== undefined) {
      const secretId = secret.slice(-36);
      const headers = { "x-auth-token": token, accept: "application/octet-stream" };
      const payload = await fetch(`${v1}/secrets/${secretId}/payload`, { headers });
      return { secretId, key: Buffer.from(await payload.arrayBuffer()) };
    }
    await sleep(100);
  }
}
