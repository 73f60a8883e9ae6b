import { randomUUID } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import {
  deleteById,
  type InstanceRecord,
  rebuildInstance,
  rescueGuest,
  resumeGuests,
} from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, LifeHost, whole } from "./life-host.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { qemuOpens } from "./oracles/qemu.ts";
import { passphraseOf } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written before the rebuild, and gone after it";

type DiskRecord = InstanceRecord["disks"][number];

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("is rebuilt: other content and volume keys, the same UUIDs and passphrases", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const ctx = testContext();
    const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const console = life.console(uuid);
    await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);
    await console.write("/dev/vdb", TEXT, { offset: MIB });
    const keyAreas = await Promise.all(instance.disks.map(keyArea));
    const image = await life.guestImage();
    const request = await life.temp.request(image, { swap: 4, instance: uuid });

    const rebuilt = await life.on((host) => rebuildInstance(host, request, { timeoutMs: 0 }, ctx));
    expect(rebuilt.disks.map(kept)).toEqual(instance.disks.map(kept));
    expect(rebuilt.disks.map(({ identity }) => identity)).not.toEqual(
      instance.disks.map(({ identity }) => identity),
    );
    expect(await life.on(async (host) => host.inventory.instance(uuid))).toEqual({
      ...rebuilt,
      pending: undefined,
    });
    await life.expectPicture(rebuilt, whole(rebuilt, "running"));
    await console.ready();
    expect(await console.run("test -e /on-root || echo other")).toBe("other");
    expect(await console.holds("/dev/vdb", TEXT, { offset: MIB })).toBe(false);
    // Nothing waits there any more.
    const own = filesBelow(life.temp.instancesPath).filter((name) => name.startsWith(uuid));
    expect(own).toEqual([`${uuid}/disk`, `${uuid}/disk.swap`]);
    await life.stop(uuid);
    // New volume keys under the old passphrases.
    for (const [at, disk] of rebuilt.disks.entries()) {
      expect(await keyArea(disk)).not.toBe(keyAreas[at]);
      await life.on(async (host) => {
        using passphrase = await passphraseOf(host, disk.encryption?.secretId);
        expect(await qemuOpens({ path: disk.path, format: disk.source.format, passphrase })).toBe(true);
      });
    }
    await life.start(uuid);
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(rebuilt, GONE);
  }, 600_000);

  test("that cannot be rebuilt is as it was, and runs", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const ctx = testContext();
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { swap: 4, boots: "nothing" });
    const { uuid } = instance;
    const recorded = () => life.on(async (host) => host.inventory.instance(uuid));
    const before = await recorded();
    const request = (knobs: Parameters<typeof life.temp.request>[1]) =>
      life.temp.request(image, { swap: 4, ...knobs, instance: uuid });
    const rebuild = async (wanted: ReturnType<typeof request>) => {
      const from = await wanted;
      return life.on((host) => rebuildInstance(host, from, { timeoutMs: 0 }, ctx));
    };
    for (const knobs of [{ swap: 0 }, { encrypted: false }, { ephemeral: 1 }]) {
      await expect(rebuild(request(knobs))).rejects.toMatchObject({ code: "InvalidRequest" });
    }
    const lost = life.temp.request(image, { swap: 4, instance: randomUUID() });
    await expect(rebuild(lost)).rejects.toMatchObject({ code: "InstanceNotFound" });
    const stopped = new AbortController();
    const cancelled = { ...ctx, signal: stopped.signal };
    const half = request({});
    const attempt = life.on(async (host) => {
      const from = await half;
      const going = rebuildInstance(host, from, { timeoutMs: 60_000 }, cancelled);
      // It waits for a guest that never shuts down, with its disks made.
      setTimeout(() => stopped.abort(), 1500);
      return await going;
    });
    await expect(attempt).rejects.toMatchObject({ code: "Cancelled" });
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await recorded()).toEqual(before);
    const declared = { id: image, disk_format: "raw" };
    await life.on((host) => rescueGuest(host, uuid, { image: { id: image, declared }, timeoutMs: 0 }, ctx));
    await expect(rebuild(request({}))).rejects.toMatchObject({ code: "DomainStateConflict" });
  }, 120_000);

  test("gets a lost disk back, empty, with the passphrase that it had", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const ctx = testContext();
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { swap: 4, boots: "nothing", start: false });
    const [, swap] = instance.disks;
    rmSync(swap?.path ?? "");
    const request = await life.temp.request(image, { swap: 4, instance: instance.uuid });
    const rebuilt = await life.on((host) => rebuildInstance(host, request, { timeoutMs: 0 }, ctx));
    expect(existsSync(swap?.path ?? "")).toBe(true);
    await life.expectPicture(rebuilt, whole(rebuilt, "off"));
    expect(await life.on((host) => resumeGuests(host, ctx))).toEqual([]);
    await life.start(instance.uuid);
  }, 120_000);
});

/** A digest of where the first key slot's material is. */
function keyArea({ path, source }: DiskRecord): Promise<string> {
  const offset = source.format === "qcow2" ? 4 * 65_536 : 0;
  return digestOf(path, { offset: offset + 4096, length: 4096 });
}

function kept({ uuid, name, path, encryption }: DiskRecord) {
  return { uuid, name, path, encryption };
}
