import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import {
  deleteById,
  findInstance,
  type RescueOptions,
  resizeDisk,
  rescueGuest,
  resumeGuests,
  unrescueGuest,
} from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, LifeHost, whole } from "./life-host.ts";
import { testContext } from "./workspace.ts";

const TEXT = "the guest wrote this before it was rescued";
const REPAIRED = "the rescue wrote this";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("boots from a rescue disk with a key of its own, its root behind it, and goes back", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const image = await life.guestImage();
    const { instance } = await life.spawn(image, { swap: 4 });
    const { uuid } = instance;
    const ctx = testContext();
    const console = life.console(uuid);
    const rescue = (id: string) =>
      life.on((host) => rescueGuest(host, uuid, { image: rawImage(id), timeoutMs: 0 }, ctx));
    await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);

    // An image that is not there changes nothing.
    await expect(rescue(randomUUID())).rejects.toMatchObject({ code: "ImageNotFound" });
    await life.expectPicture(instance, whole(instance, "running"));

    await rescue(await life.guestImage());
    const rescued = await life.on((host) => findInstance(host, uuid));
    expect(rescued.disks.map(({ name }) => name)).toEqual(["disk", "disk.swap", "disk.rescue"]);
    const secrets = rescued.disks.map(({ encryption }) => encryption?.secretId);
    expect(new Set(secrets).size).toBe(3);
    await life.expectPicture(rescued, whole(rescued, "running"));
    await console.ready();
    expect(await console.run("test -e /on-root || echo other")).toBe("other");
    expect(await console.run("echo /dev/vd?")).toBe("/dev/vda /dev/vdb");
    await console.run("mkdir /old; mount -t ext4 /dev/vdb /old");
    expect(await console.run("cat /old/on-root")).toBe(TEXT);
    await console.run(`echo '${REPAIRED}' > /old/on-root; umount /old; sync`);

    await expect(rescue(image)).rejects.toMatchObject({ code: "DomainStateConflict" });
    const grow = life.on(async (host) =>
      resizeDisk(host, await findInstance(host, uuid), "disk", 64n << 20n, ctx),
    );
    await expect(grow).rejects.toMatchObject({ code: "DomainStateConflict" });
    // Off and on again, it is still rescued; so it is after a reboot of the host.
    await life.stop(uuid);
    await life.start(uuid);
    await console.ready();
    expect(await console.run("test -e /on-root || echo other")).toBe("other");

    await life.on((host) => unrescueGuest(host, uuid, ctx));
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await life.on(async (host) => (await findInstance(host, uuid)).diskInfo)).toEqual(
      instance.diskInfo,
    );
    const gone = rescued.disks[2];
    expect(gone?.name).toBe("disk.rescue");
    expect(existsSync(gone?.path ?? "")).toBe(false);
    expect(await life.storedKeys()).not.toContain(gone?.encryption?.secretId);
    expect(await life.guestSecrets()).not.toContain(gone?.encryption?.secretId);
    await console.ready();
    expect(await console.run("cat /on-root; echo /dev/vd?")).toBe(`${REPAIRED}\n/dev/vda /dev/vdb`);
    await expect(life.on((host) => unrescueGuest(host, uuid, ctx))).rejects.toMatchObject({
      code: "DomainStateConflict",
    });
  }, 600_000);

  test("is deleted with its rescue disk", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const id = life.temp.addImage(2 << 20);
    const { instance } = await life.spawn(id, { boots: "nothing" });
    const { uuid } = instance;
    const ctx = testContext();
    await life.on((host) => rescueGuest(host, uuid, { image: rawImage(id), timeoutMs: 0 }, ctx));
    const rescued = await life.on((host) => findInstance(host, uuid));
    expect(await life.on((host) => resumeGuests(host, ctx))).toMatchObject([{ outcome: "running" }]);
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(rescued, GONE);
    expect(await life.storedKeys()).toEqual([]);
  }, 120_000);
});

function rawImage(id: string): RescueOptions["image"] {
  return { id, declared: { id, disk_format: "raw" } };
}
