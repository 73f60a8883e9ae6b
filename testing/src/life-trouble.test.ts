import { randomBytes, randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import {
  createInstance,
  deleteById,
  findInstance,
  type InstanceRecord,
  rekeyDisks,
  spawnGuest,
  startGuest,
  stopGuest,
} from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { sharedLibvirt, startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, LifeHost, nameOf, whole } from "./life-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("on %s disks", (imagesType) => {
  const spawned = async (start: boolean): Promise<{ life: LifeHost; instance: InstanceRecord }> => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { swap: 4, start, boots: "nothing" });
    return { life, instance };
  };

  test("a spawn without a start has all but a running guest; start and stop are idempotent", async () => {
    const { life, instance } = await spawned(false);
    const { uuid } = instance;
    const ctx = testContext();
    await life.expectPicture(instance, whole(instance, "off"));
    for (const _ of [1, 2]) {
      await life.on(async (host) => expect((await startGuest(host, uuid, ctx)).wanted).toBe("on"));
      await life.expectPicture(instance, whole(instance, "running"));
    }
    for (const _ of [1, 2]) {
      await life.on(async (host) =>
        expect((await stopGuest(host, uuid, { timeoutMs: 0 }, ctx)).wanted).toBe("off"),
      );
      await life.expectPicture(instance, whole(instance, "off"));
    }
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(instance, GONE);
  }, 120_000);

  test("a passphrase that the key manager has lost is told, and nothing starts", async () => {
    const { life, instance } = await spawned(false);
    const secretId = instance.disks[0]?.encryption?.secretId ?? "";
    await life.on(async (host) => (await host.services()).keys.delete({ id: secretId }, testContext()));
    const start = life.on((host) => startGuest(host, instance.uuid, testContext()));
    await expect(start).rejects.toMatchObject({ code: "EphemeralEncryptionSecretNotFound" });
    expect((await life.picture(instance)).guest).toBe("off");
    await life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, testContext()));
    await life.expectPicture(instance, GONE);
  }, 120_000);

  test("a passphrase that does not open a disk is told, and no guest hangs; the right one starts it", async () => {
    const { life, instance } = await spawned(false);
    const mend = damageKeySlot(instance.disks[1]?.path ?? "");
    const start = (): Promise<unknown> => life.on((host) => startGuest(host, instance.uuid, testContext()));
    await expect(start()).rejects.toMatchObject({ code: "GuestDiskNotOpened" });
    await life.expectPicture(instance, whole(instance, "off"));
    await life.on(async (host) => {
      expect(host.journal.unfinished()).toEqual([]);
      expect(host.inventory.guests.find(instance.uuid)?.wanted).toBe("off");
    });
    mend();
    await start();
    await life.expectPicture(instance, whole(instance, "running"));
  }, 120_000);

  test("a start of whose failure QEMU's words are lost names the disk that does not open", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const request = await life.temp.request(life.temp.addImage(2 * MIB), { swap: 4 });
    const { id } = request.server;
    const template = (await life.template(id, "nothing")).replace(
      "<devices>",
      `<devices><emulator>${await quietQemu()}</emulator>`,
    );
    const { instance } = await life.on((host) =>
      spawnGuest(host, request, { start: true, template }, testContext()),
    );
    await life.stop(id);
    const mend = damageKeySlot(instance.disks[1]?.path ?? "");
    const start = (): Promise<unknown> => life.on((host) => startGuest(host, id, testContext()));
    await expect(start()).rejects.toMatchObject({
      code: "GuestDiskNotOpened",
      message: expect.stringContaining(instance.disks[1]?.path ?? ""),
      cause: { code: "LibvirtFailed" },
    });
    expect((await life.picture(instance)).guest).toBe("off");
    mend();
    await start();
  }, 120_000);

  test("rekey leaves the new passphrase in libvirt, and not the old one; a start gives it", async () => {
    const { life, instance } = await spawned(false);
    const before = await life.guestSecrets();
    expect(before).toEqual(expect.arrayContaining(secretsOf(instance)));
    const now = await life.on(async (host) => {
      await rekeyDisks(host, instance, undefined, testContext());
      return await findInstance(host, instance.uuid);
    });
    expect(secretsOf(now)).not.toEqual(secretsOf(instance));
    const after = await life.guestSecrets();
    expect(secretsOf(instance).filter((id) => after.includes(id))).toEqual([]);
    await life.expectPicture(now, whole(now, "off"));
    await life.start(instance.uuid);
    await life.expectPicture(now, whole(now, "running"));
  }, 120_000);

  test("a disk that is gone is told before anything is started", async () => {
    const { life, instance } = await spawned(false);
    rmSync(instance.disks[0]?.path ?? "");
    await expect(life.on((host) => startGuest(host, instance.uuid, testContext()))).rejects.toMatchObject({
      code: "DiskNotFound",
    });
    expect((await life.picture(instance)).guest).toBe("off");
  }, 120_000);

  test("a spawn whose guest does not start is taken back, guest, keys, disks and passphrases", async () => {
    // Of its own: nobody else's secrets are in it.
    await using env = await startLibvirt();
    const life = new LifeHost(imagesType, env);
    const request = await life.temp.request(life.temp.addImage(2 * MIB), { swap: 4 });
    const { id } = request.server;
    const template = (await life.template(id)).replace(/<kernel>[^<]*/, "<kernel>/nowhere/vmlinuz");
    const spawn = life.on((host) => spawnGuest(host, request, { start: true, template }, testContext()));
    await expect(spawn).rejects.toMatchObject({ code: expect.stringMatching(/LibvirtFailed|DiskNotFound/) });
    await expectNothing(life, id);
  }, 120_000);

  test("a spawn under a name that another guest has is taken back, and that one stays", async () => {
    const { life, instance } = await spawned(true);
    const request = await life.temp.request(life.temp.addImage(2 * MIB));
    const { id } = request.server;
    const template = (await life.template(id)).replace(nameOf(id), nameOf(instance.uuid));
    const spawn = life.on((host) => spawnGuest(host, request, { start: true, template }, testContext()));
    await expect(spawn).rejects.toMatchObject({ code: "DomainExists" });
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await life.storedKeys()).toHaveLength(instance.disks.length);
  }, 120_000);

  test("a guest of somebody else's under the same uuid is not touched", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const request = await life.temp.request(life.temp.addImage(2 * MIB));
    const { id } = request.server;
    const template = await life.template(id, "nothing");
    const ctx = testContext();
    using libvirt = await connectLibvirt(life.env.uri, ctx);
    await libvirt.domains.define(template, ctx);
    try {
      await libvirt.domains.start(id, ctx);
      const spawn = life.on((host) => spawnGuest(host, request, { start: true, template }, ctx));
      await expect(spawn).rejects.toMatchObject({ code: "DomainExists" });
      expect(await libvirt.domains.state(id, ctx)).toBe("running");
      expect(await life.storedKeys()).toEqual([]);
    } finally {
      await libvirt.domains.destroy(id, ctx);
      await libvirt.domains.undefine(id, ctx);
    }
  }, 120_000);
});

test("disks without a guest of ours are not started, and deleted as ever", async () => {
  const life = new LifeHost("raw", await sharedLibvirt());
  const uuid = randomUUID();
  const request = await life.temp.request(life.temp.addImage(2 * MIB), { instance: uuid });
  await life.on(async (host) => {
    await createInstance(host, request, testContext());
    await expect(startGuest(host, uuid, testContext())).rejects.toMatchObject({ code: "DomainNotFound" });
    await deleteById(host, uuid, { forgetMissing: false }, testContext());
  });
  expect(filesBelow(life.temp.instancesPath)).toEqual([]);
});

function secretsOf({ disks }: InstanceRecord): string[] {
  return disks.map(({ encryption }) => encryption?.secretId ?? "");
}

async function expectNothing(life: LifeHost, uuid: string): Promise<void> {
  const ctx = testContext();
  using libvirt = await connectLibvirt(life.env.uri, ctx);
  expect(await libvirt.domains.find(uuid, ctx)).toBeUndefined();
  expect(await life.guestSecrets()).toEqual([]);
  expect(await life.storedKeys()).toEqual([]);
  expect(filesBelow(life.temp.instancesPath).filter((name) => name.includes(uuid))).toEqual([]);
  await life.on(async (host) => expect(host.journal.unfinished()).toEqual([]));
}

/** Puts noise over the first key slot's material of a LUKS header, wherever in the file it is; what puts it back. */
function damageKeySlot(path: string): () => void {
  const at = readFileSync(path).indexOf(Buffer.from("LUKS\xba\xbe", "latin1")) + 4096;
  const before = Buffer.alloc(4096);
  const fd = openSync(path, "r+");
  readSync(fd, before, 0, before.length, at);
  writeSync(fd, randomBytes(before.length), 0, before.length, at);
  closeSync(fd);
  return () => {
    const again = openSync(path, "r+");
    writeSync(again, before, 0, before.length, at);
    closeSync(again);
  };
}

/**
 * A QEMU whose messages nobody hears, as when libvirt does not get to read them. It stays where the tests' programs are kept:
 * libvirt remembers for each path what a QEMU can do.
 */
async function quietQemu(): Promise<string> {
  const { kernel } = await tinyGuest();
  const path = join(dirname(dirname(kernel)), "quiet-qemu");
  const script = '#!/bin/sh\nexec qemu-system-x86_64 "$@" 2>/dev/null\n';
  if (!existsSync(path)) writeFileSync(path, script, { mode: 0o755 });
  return path;
}
