import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deleteById, findInstance, resizeDisk, snapshotDisk, verifyDisks } from "@luksmith/core/host";
import { sharedCeph, sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, nameOf, whole } from "./life-host.ts";
import { qemuDecrypt } from "./oracles/qemu.ts";
import { rbdLifeHost } from "./rbd-host.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024n * 1024n;
const TEXT = "the guest wrote this, and only the guest may read it";

beforeAll(async () => {
  await Promise.all([sharedCeph(), sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe("a guest on disks in Ceph", () => {
  test("boots, grows, is copied while it runs, starts again and is deleted; nothing is in clear", async () => {
    const life = await rbdLifeHost();
    const ceph = await sharedCeph();
    const ctx = testContext();
    const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const images = instance.disks.map(({ path }) => path.replace("rbd:", ""));
    await life.expectPicture(instance, whole(instance, "running"));
    const console = life.console(uuid);
    const first = await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);
    await console.write("/dev/vdb", TEXT, { offset: Number(MIB) });

    const resize = (disk: string, bytes: bigint) =>
      life.on(async (host) => resizeDisk(host, await findInstance(host, uuid), disk, bytes, ctx));
    await resize("disk.swap", 7n * MIB + 512n);
    expect(await console.size("/dev/vdb")).toBe(7n * MIB + 512n);

    const target = join(life.temp.root, "copy");
    const request = { disk: "disk.swap", target, format: "raw", plain: false } as const;
    const copied = await life.on(async (host) =>
      snapshotDisk(host, await findInstance(host, uuid), request, ctx),
    );
    await life.on(async (host) => {
      using passphrase = await passphraseOf(host, copied.encryption?.secretId);
      await qemuDecrypt({ path: target, format: "raw", passphrase }, `${target}.plain`);
    });
    expect(readFileSync(`${target}.plain`).subarray(Number(MIB)).toString("latin1", 0, TEXT.length)).toBe(
      TEXT,
    );
    // A guest that runs has its disks: nobody removes them.
    for (const image of images) await expect(ceph.rbd(["rm", image])).rejects.toThrow("watchers");

    await life.stop(uuid);
    await life.expectPicture(instance, whole(instance, "off"));
    for (const image of images) expect((await ceph.bytes(image)).includes(TEXT)).toBe(false);
    await resize("disk.swap", 8n * MIB);
    await life.on(async (host) => {
      const [report] = await verifyDisks(host, uuid, ctx);
      expect(report?.disks.map(({ ok }) => ok)).toEqual([true, true]);
    });
    await life.start(uuid);
    expect(await console.ready()).not.toBe(first);
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.size("/dev/vdb")).toBe(8n * MIB);

    await life.on((host) => deleteById(host, copied.uuid, { forgetMissing: false }, ctx));
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(instance, GONE);
    expect(await life.storedKeys()).toEqual([]);
  }, 600_000);

  test("can have them decrypted by librbd", async () => {
    const life = await rbdLifeHost({ backend: ["encryption_engine = librbd"] });
    const { instance } = await life.spawn(await life.guestImage(), {});
    await life.console(instance.uuid).ready();
    const commandLine = (await life.env.qemuCommandLine(nameOf(instance.uuid)))?.join(" ") ?? "";
    expect(commandLine).toContain('"driver":"rbd"');
    expect(commandLine).toContain('"encrypt":{"format":"luks"');
    await life.on((host) => deleteById(host, instance.uuid, { forgetMissing: false }, testContext()));
    await life.expectPicture(instance, GONE);
  }, 600_000);
});
