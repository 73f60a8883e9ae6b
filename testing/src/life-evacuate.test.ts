import { existsSync } from "node:fs";
import {
  deleteById,
  describeGuest,
  evacuateGuest,
  type EvacuateOptions,
  findGuest,
  letGoOfEvacuated,
  type MoveDocument,
  parseMove,
  resumeGuests,
} from "@luksmith/core/host";
import { sharedOpenStack, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { rebootHost } from "./host-reboot.ts";
import { GONE, type LifeHost, nameOf, whole } from "./life-host.ts";
import { rawBytesContain } from "./oracles/raw-bytes.ts";
import { TwoHosts } from "./two-hosts.ts";

const MIB = 1024 * 1024;
const TEXT = "written before the host was lost";

beforeAll(async () => {
  await Promise.all([sharedOpenStack(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks, whose host is down", (imagesType) => {
  test("is evacuated by what was kept of it: from shared storage, in place", async () => {
    const hosts = await TwoHosts.create(imagesType, { sharedDisks: true });
    const { source, target, alice, sourceEnv } = hosts;
    const { instance } = await source.spawn(await source.guestImage(), { swap: 4 }, alice);
    const { uuid } = instance;
    const console = source.console(uuid);
    await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);
    const kept = await described(source, uuid);
    const before = instance.disks.map(({ identity }) => identity);
    // The power of the first host fails; it comes back later, and brings nothing up by itself.
    await rebootHost(sourceEnv, [nameOf(uuid)]);

    const evacuated = await evacuate(hosts, kept);
    expect(evacuated.instance.disks.map(({ identity }) => identity)).toEqual(before);
    await target.expectPicture(evacuated.instance, whole(evacuated.instance, "running"));
    await console.ready();
    expect(await console.run("cat /on-root")).toBe(TEXT);

    // The first host is back: it forgets the guest, and leaves alone what the other one uses.
    await source.on((host) => letGoOfEvacuated(host, uuid, { keepDisks: true }, alice), alice);
    expect(await source.on(async (host) => host.inventory.instances(), alice)).toEqual([]);
    expect(await source.guest(uuid)).toBe("absent");
    expect(await source.guestSecrets()).toEqual([]);
    await target.expectPicture(evacuated.instance, whole(evacuated.instance, "running"));
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await source.on((host) => resumeGuests(host, alice), alice)).toEqual([]);
    await target.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
    await target.expectPicture(evacuated.instance, GONE);
  }, 600_000);

  test("is made anew where its disks are lost, with the passphrases that they had", async () => {
    const hosts = await TwoHosts.create(imagesType);
    const { source, target, alice } = hosts;
    const { instance } = await source.spawn(
      source.temp.addImage(2 * MIB),
      { swap: 4, boots: "nothing" },
      alice,
    );
    const { uuid } = instance;
    const kept = await described(source, uuid);
    const image = target.temp.addImage(2 * MIB);
    const recreate = await target.temp.request(image, { swap: 4, instance: uuid });
    // Refusals leave nothing, and no passphrase is deleted.
    const fewer = await target.temp.request(image, { instance: uuid });
    await expect(evacuate(hosts, kept, { recreate: fewer })).rejects.toMatchObject({
      code: "InvalidRequest",
    });
    await expect(evacuate(hosts, kept)).rejects.toMatchObject({ code: "DiskNotFound" });
    const broken = { ...kept, definition: kept.definition.replace("<os>", "<os><kernel>/nowhere</kernel>") };
    await expect(evacuate(hosts, broken, { recreate })).rejects.toThrow();
    const names = instance.disks.map(({ name }) => name);
    await target.expectPicture(instance, { guest: "absent", disks: names, keys: names, secrets: [] });
    expect(await target.on(async (host) => host.inventory.instances(), alice)).toEqual([]);

    const { instance: anew } = await evacuate(hosts, kept, { recreate });
    expect(anew.disks.map(({ uuid: disk, encryption }) => [disk, encryption])).toEqual(
      instance.disks.map(({ uuid: disk, encryption }) => [disk, encryption]),
    );
    await target.expectPicture(anew, whole(anew, "running"));
    // On the first host, the leavings go, and the passphrases stay.
    await source.on((host) => letGoOfEvacuated(host, uuid, { keepDisks: false }, alice), alice);
    await source.expectPicture(instance, { ...GONE, keys: names });
    await target.expectPicture(anew, whole(anew, "running"));
    for (const { path } of instance.disks) {
      expect(existsSync(path)).toBe(false);
    }
    expect(await rawBytesContain(anew.disks[0]?.path ?? "", TEXT)).toBe(false);
  }, 300_000);
});

async function described(life: LifeHost, uuid: string): Promise<MoveDocument> {
  await using host = await life.temp.read();
  return await describeGuest(await findGuest(host, uuid));
}

async function evacuate(
  { target, alice }: TwoHosts,
  document: MoveDocument,
  options: Partial<EvacuateOptions> = {},
) {
  const read = await parseMove(JSON.parse(JSON.stringify(document)));
  return await target.on((host) => evacuateGuest(host, read, { start: true, ...options }, alice), alice);
}
