import { findInstance, resizeDisk, stopGuest, verifyDisks } from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { LifeHost, whole } from "./life-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024n * 1024n;
const TEXT = "written into the part that is new";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a running guest's %s disks", (imagesType) => {
  test("grow under it, to the byte, and it sees so at once", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const ctx = testContext();
    const console = life.console(uuid);
    await console.ready();
    const grow = (disk: string, bytes: bigint) =>
      life.on(async (host) => resizeDisk(host, await findInstance(host, uuid), disk, bytes, ctx));
    expect(await console.size("/dev/vdb")).toBe(4n * MIB);
    const odd = 7n * MIB + 512n;
    expect((await grow("disk.swap", odd)).virtualSize).toBe(odd);
    expect(await console.size("/dev/vdb")).toBe(odd);
    // Again, it is success; less, it is refused, and the guest keeps what it has.
    await grow("disk.swap", odd);
    await expect(grow("disk.swap", 4n * MIB)).rejects.toMatchObject({ code: "CannotShrink" });
    expect(await console.size("/dev/vdb")).toBe(odd);
    await console.write("/dev/vdb", TEXT, { offset: Number(6n * MIB) });
    await grow("disk", 32n * MIB);
    expect(await console.size("/dev/vda")).toBe(32n * MIB);
    await console.run("sync");
    await life.expectPicture(instance, whole(instance, "running"));

    await life.on(async (host) => {
      await stopGuest(host, uuid, { timeoutMs: 0 }, ctx);
      const [report] = await verifyDisks(host, uuid, ctx);
      expect(report?.disks.map(({ ok }) => ok)).toEqual([true, true]);
      expect(host.inventory.instance(uuid)?.disks.map(({ virtualSize }) => virtualSize)).toEqual([
        32n * MIB,
        odd,
      ]);
      expect(host.journal.unfinished()).toEqual([]);
    });
    // What was grown under the guest is the same after a start, and grows as well without it.
    await grow("disk.swap", 8n * MIB);
    await life.start(uuid);
    await console.ready();
    expect(await console.size("/dev/vda")).toBe(32n * MIB);
    expect(await console.size("/dev/vdb")).toBe(8n * MIB);
    expect(await console.holds("/dev/vdb", TEXT, { offset: Number(6n * MIB) })).toBe(true);
  }, 300_000);
});
