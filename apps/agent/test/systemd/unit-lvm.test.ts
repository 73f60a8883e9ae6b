import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UnitGuest } from "./unit-guest.ts";

/** It is one processor, which may have much else to do. */
const SLOW = { timeout: 600_000 };
/** Each look is a program started in the guest. */
const LOOK = { timeout: 300_000, interval: 500 };
const DROP_IN = join(import.meta.dirname, "../../systemd/luksmith-lvm.conf");
const CONFIG = `
[DEFAULT]
use_cow_images = False
[libvirt]
images_type = lvm
images_volume_group = disks
virt_type = qemu
[ephemeral_storage_encryption]
enabled = ENABLED
[luksmith]
plugins = @luksmith/backend-lvm, @luksmith/legacy-dmcrypt, @luksmith/keymgr-local
images_path = /var/lib/images
[luksmith:legacy-dmcrypt]
hash = ripemd160
`;

let guest: UnitGuest;
beforeAll(async () => {
  guest = await UnitGuest.start();
  await guest.sh("vgcreate -qq -y -s 1M disks /dev/ubdb");
}, 300_000);
afterAll(() => guest[Symbol.asyncDispose]());

/** @param luks asked for by the flavor; else the host encrypts all, or none */
async function request(luks: boolean): Promise<{ readonly server: { readonly id: string } }> {
  const image = randomUUID();
  await guest.sh(`head -c 1048576 /dev/urandom > /var/lib/images/${image}`);
  const extra_specs = luks ? { "hw:ephemeral_encryption": "true" } : {};
  const flavor = { original_name: "m1", vcpus: 1, ram: 64, disk: 0, ephemeral: 0, swap: 2, extra_specs };
  const server = { id: randomUUID(), name: "web", image: { id: image }, flavor };
  return { server, image: { id: image, status: "active", disk_format: "raw", size: 1048576 } } as never;
}

async function task(method: string, path: string, body?: unknown): Promise<unknown> {
  const { id } = await guest.ask<{ id: string }>(method, path, body);
  let ended: { readonly state: string } = { state: "" };
  await expect
    .poll(async () => (ended = await guest.ask("GET", `/v1/tasks/${id}`)).state, LOOK)
    .toMatch(/^(done|failed)$/);
  return ended;
}

// The kernel of the tests has neither udevd, which makes device nodes elsewhere, nor disks of the usual kinds.
const HERE = [
  "CapabilityBoundingSet=CAP_MKNOD",
  "DeviceAllow=block-device-mapper rwm",
  "DeviceAllow=block-ubd rw",
  "Environment=DM_DISABLE_UDEV=1",
].join("\n");

test("with its drop-in the unit makes, opens, verifies and removes disks on LVM", SLOW, async () => {
  await using _lvm = await guest.dropIn(`${readFileSync(DROP_IN, "utf8")}${HERE}\n`);
  for (const enabled of [false, true]) {
    await guest.write("/etc/luksmith/luksmith.conf", CONFIG.replace("ENABLED", String(enabled)));
    await guest.sh("systemctl restart luksmith");
    const body = await request(!enabled);
    const { id } = body.server;
    expect(await task("POST", "/v1/instances", body)).toMatchObject({ state: "done" });
    const mappings = await guest.sh("dmsetup ls --target crypt");
    expect(mappings.includes(`${id}_disk-dmcrypt`)).toBe(enabled);
    expect((await guest.luksmith("verify", id)).exitCode).toBe(0);
    expect(await task("DELETE", `/v1/instances/${id}`)).toMatchObject({ state: "done" });
    expect(await guest.sh("lvs --noheadings -o lv_name disks")).toBe("");
  }
  await guest.sh("systemctl stop luksmith");
});

test("without it, it says that the volume group cannot be used, and makes nothing", SLOW, async () => {
  await guest.write("/etc/luksmith/luksmith.conf", CONFIG.replace("ENABLED", "false"));
  await guest.sh("systemctl start luksmith");
  expect(JSON.stringify(await task("POST", "/v1/instances", await request(true)))).toMatch(
    /VolumeGroupUnusable|CommandFailed/,
  );
  expect(await guest.sh("lvs --noheadings -o lv_name disks")).toBe("");
  await guest.sh("systemctl stop luksmith");
});
