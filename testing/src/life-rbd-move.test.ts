import type { OpContext } from "@luksmith/core";
import {
  confirmMove,
  deleteById,
  describeGuest,
  evacuateGuest,
  expectGuest,
  findGuest,
  type InstanceRecord,
  letGoOfEvacuated,
  offerLive,
  parseMove,
} from "@luksmith/core/host";
import { type CephEnv, sharedCeph, sharedOpenStack, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { rebootHost } from "./host-reboot.ts";
import { GONE, type LifeHost, nameOf, whole } from "./life-host.ts";
import { LiveHosts } from "./live-hosts.ts";
import { diskAsQemu, holdsMark, writeMark } from "./rbd-mark.ts";
import { TwoHosts } from "./two-hosts.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written on the first host, read on the second by the same guest";
/** Counts in its memory, and writes each number to a disk. */
const COUNT = `(n=0; while :; do n=$((n+1)); echo $n > /tmp/n.new; mv /tmp/n.new /tmp/n; echo $n | dd of=/dev/vdb bs=4096 count=1 conv=sync,notrunc,fsync 2>/dev/null; sleep 0.05; done) >/dev/null 2>&1 &`;

let ceph: CephEnv;
beforeAll(async () => {
  [ceph] = await Promise.all([sharedCeph(), sharedOpenStack(), tinyGuest()]);
}, 300_000);

describe("a guest on disks in Ceph, which two hosts have", () => {
  test("moves while it is off, and is evacuated back: nothing is copied, and no host removes what the other uses", async () => {
    const hosts = await TwoHosts.create("rbd");
    const { source, target, alice, targetEnv } = hosts;
    const image = source.temp.addImage(2 * MIB);
    const { instance } = await source.spawn(image, { swap: 4, boots: "nothing", start: false }, alice);
    const { uuid } = instance;
    const same = instance.disks.map(({ identity }) => identity);
    await source.on((host) => withSwap(host, instance, writeMark, alice), alice);

    const document = await hosts.offer(uuid);
    const { instance: moved } = await hosts.adopt(document);
    expect(moved.disks.map(({ identity }) => identity)).toEqual(same);
    await target.expectPicture(moved, whole(moved, "running"));
    await source.on((host) => confirmMove(host, uuid, {}, alice), alice);
    expect(await source.on(async (host) => host.inventory.instances(), alice)).toEqual([]);
    expect([await source.guest(uuid), await source.guestSecrets()]).toEqual(["absent", []]);
    await target.expectPicture(moved, whole(moved, "running"));

    // The second host fails; the first one takes the guest back.
    const kept = await described(target, uuid);
    await rebootHost(targetEnv, [nameOf(uuid)]);
    const read = await parseMove(JSON.parse(JSON.stringify(kept)));
    const evacuate = () => source.on((host) => evacuateGuest(host, read, { start: true }, alice), alice);
    // For half a minute, Ceph does not know either whether the guest still runs there.
    await expect(evacuate()).rejects.toMatchObject({ code: "DiskInUse" });
    for (const { path } of moved.disks) {
      const status = () => ceph.rbd(["status", path.replace("rbd:", "")]);
      await expect.poll(status, { timeout: 60_000, interval: 1000 }).toContain("Watchers: none");
    }
    const { instance: back } = await evacuate();
    expect(back.disks.map(({ identity }) => identity)).toEqual(same);
    await source.expectPicture(back, whole(back, "running"));
    // Off, so that nothing but what the storage is protects its disks from who forgets --keep-disks.
    await source.stop(uuid);
    await target.on((host) => letGoOfEvacuated(host, uuid, { keepDisks: false }, alice), alice);
    await source.expectPicture(back, whole(back, "off"));
    expect(await source.on((host) => withSwap(host, back, holdsMark, alice), alice)).toBe(true);
    await source.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
    await source.expectPicture(back, GONE);
  }, 600_000);

  test("moves while it runs: its memory alone is sent, and it goes on with the same disks", async () => {
    const hosts = await LiveHosts.create("rbd");
    const { source, target } = hosts;
    const { instance } = await source.spawn(await source.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const before = source.console(uuid);
    const boot = await before.ready();
    await before.run(`echo '${TEXT}' > /on-root; sync`);
    await before.write("/dev/vdb", TEXT, { offset: MIB });
    await before.run(COUNT);

    // A host that has another pool under that name, or none, refuses at once.
    await hosts.shareKeys();
    const offered = await source.on((host) => offerLive(host, uuid, testContext()));
    const elsewhere = offered.disks.map((disk) => ({ ...disk, path: disk.path.replace("rbd:", "rbd:x") }));
    const early = target.on((host) => expectGuest(host, { ...offered, disks: elsewhere }, testContext()));
    await expect(early).rejects.toMatchObject({ code: "DiskNotFound" });
    expect(await target.on(async (host) => host.inventory.instances())).toEqual([]);

    // Expected, and dismissed: the guest has its disks all the time.
    await hosts.prepare(uuid);
    const arriving = await hosts.there(uuid);
    expect(arriving.disks.map(({ identity }) => identity)).toEqual(
      instance.disks.map(({ identity }) => identity),
    );
    expect(await hosts.dismiss(uuid)).toMatchObject({ outcome: "dismissed" });
    expect(await target.guestSecrets()).toEqual([]);
    await source.expectPicture(instance, whole(instance, "running"));
    expect(await before.run("cat /on-root")).toBe(TEXT);

    const expected = await hosts.prepare(uuid);
    // Nor is it sent to an image that is not the one it has open.
    const other = expected.disks.map((disk) =>
      disk.source.type === "network" ? { ...disk, source: { ...disk.source, name: "vms/other" } } : disk,
    );
    await expect(hosts.send({ ...expected, disks: other })).rejects.toMatchObject({ code: "InvalidRequest" });
    expect(await hosts.send(expected)).toMatchObject({ uuid, outcome: "sent", here: false });
    before[Symbol.dispose]();
    await source.expectPicture(instance, whole(instance, "off"));
    const console = target.console(uuid);
    await console.answers();
    expect(await console.run("cat /proc/sys/kernel/random/boot_id")).toBe(boot);
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.holds("/dev/vdb", TEXT, { offset: MIB })).toBe(true);
    const counted = Number(await console.run("cat /tmp/n"));
    expect(counted).toBeGreaterThan(1);
    await console.run(`while [ $(cat /tmp/n) -le ${counted + 3} ]; do sleep 0.1; done`);

    expect(await hosts.settle(uuid)).toMatchObject({ outcome: "arrived", here: true });
    expect(await hosts.confirm(uuid)).toMatchObject({ outcome: "removed", here: false });
    expect([await source.guest(uuid), await source.guestSecrets()]).toEqual(["absent", []]);
    await target.expectPicture(arriving, whole(arriving, "running"));
    // It is the second host's own: it stops and starts there.
    await target.stop(uuid);
    await target.start(uuid);
    await console.ready();
    expect(await console.run("cat /on-root")).toBe(TEXT);
    await target.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
    await target.expectPicture(arriving, GONE);
  }, 600_000);
});

async function described(life: LifeHost, uuid: string) {
  await using host = await life.temp.read();
  return describeGuest(await findGuest(host, uuid));
}

async function withSwap<T>(
  host: Parameters<Parameters<LifeHost["on"]>[0]>[0],
  instance: InstanceRecord,
  use: (disk: ReturnType<typeof diskAsQemu>) => Promise<T>,
  ctx: OpContext,
): Promise<T> {
  const disk = instance.disks.find(({ name }) => name === "disk.swap");
  const services = await host.services();
  using passphrase = await services.keys.get({ id: disk?.encryption?.secretId ?? "" }, ctx);
  return await use(diskAsQemu(ceph, disk!, passphrase));
}
