import { deleteById, startGuest, stopGuest } from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, LifeHost, whole } from "./life-host.ts";
import { testContext } from "./workspace.ts";

const TEXT = "the guest wrote this, and only the guest may read it";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("is spawned, stopped, started and deleted; disks, keys and secrets are there as long as they must be", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const { instance, guest } = await life.spawn(await life.guestImage(), { ephemeral: 1, swap: 32 });
    const { uuid } = instance;
    expect(guest.wanted).toBe("on");
    expect(instance.disks.map(({ name }) => name)).toEqual(["disk", "disk.eph0", "disk.swap"]);
    await life.expectPicture(instance, whole(instance, "running"));
    const console = life.console(uuid);
    const first = await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);

    await life.on((host) => stopGuest(host, uuid, { timeoutMs: 0 }, testContext()));
    await life.expectPicture(instance, whole(instance, "off"));
    await life.on((host) => startGuest(host, uuid, testContext()));
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await console.ready()).not.toBe(first);
    expect(await console.run("cat /on-root")).toBe(TEXT);

    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
    await life.expectPicture(instance, GONE);
    expect(await life.storedKeys()).toEqual([]);
  }, 600_000);
});
