import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  deleteById,
  findInstance,
  type InstanceRecord,
  parseMove,
  rebootGuest,
  rebuildInstance,
  rescueGuest,
  resumeGuests,
  shelveGuest,
  startGuest,
  unrescueGuest,
  unshelveGuest,
} from "@luksmith/core/host";
import {
  type CephEnv,
  sharedCeph,
  sharedLibvirt,
  sharedOpenStack,
  startLibvirt,
  tinyGuest,
} from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { rebootHost } from "./host-reboot.ts";
import { GONE, type LifeHost, nameOf, whole } from "./life-host.ts";
import { barbicanPlugins, contextOf } from "./openstack/openstack-host.ts";
import { cryptsetupOpens } from "./oracles/cryptsetup.ts";
import { rbdLifeHost } from "./rbd-host.ts";
import { diskAsQemu, holdsMark, writeMark } from "./rbd-mark.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4, boots: "nothing" } as const;

let ceph: CephEnv;
beforeAll(async () => {
  [ceph] = await Promise.all([sharedCeph(), sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe("a guest on disks in Ceph", () => {
  test("is rebooted, rescued, rebuilt, shelved and brought back; its disks, passphrases and keys are as they must be", async () => {
    const life = await rbdLifeHost();
    const ctx = testContext();
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { ...DISKS, start: false });
    const { uuid } = instance;
    await mark(life, instance);
    await life.start(uuid);
    await life.on((host) => rebootGuest(host, uuid, { hard: true }, ctx));
    await life.expectPicture(instance, whole(instance, "running"));

    const declared = { id: image, declared: { id: image, disk_format: "raw" } };
    await life.on((host) => rescueGuest(host, uuid, { image: declared, timeoutMs: 0 }, ctx));
    const rescued = await life.on((host) => findInstance(host, uuid));
    expect(new Set(rescued.disks.map(({ encryption }) => encryption?.secretId)).size).toBe(3);
    await life.expectPicture(rescued, whole(rescued, "running"));
    await life.on((host) => unrescueGuest(host, uuid, ctx));
    await life.expectPicture(instance, whole(instance, "running"));
    expect(await objectsOf(uuid)).toEqual(instance.disks.map(({ name }) => `rbd_id.${uuid}_${name}`));
    expect((await life.storedKeys()).length).toBe(2);
    await life.stop(uuid);
    expect(await marked(life, instance)).toBe(true);

    await life.start(uuid);
    const request = await life.temp.request(image, { swap: 4, instance: uuid });
    const rebuilt = await life.on((host) => rebuildInstance(host, request, { timeoutMs: 0 }, ctx));
    await life.expectPicture(rebuilt, whole(rebuilt, "running"));
    expect(rebuilt.disks.map(({ encryption }) => encryption)).toEqual(
      instance.disks.map(({ encryption }) => encryption),
    );
    expect(rebuilt.disks.map(({ identity }) => identity)).not.toEqual(
      instance.disks.map(({ identity }) => identity),
    );
    expect(await objectsOf(uuid)).toEqual(instance.disks.map(({ name }) => `rbd_id.${uuid}_${name}`));
    await life.stop(uuid);
    expect(await marked(life, rebuilt)).toBe(false);
    await mark(life, rebuilt);

    const directory = join(life.temp.root, "shelf");
    mkdirSync(directory);
    const keys = rebuilt.disks.map(({ name }) => name);
    const { path } = await life.on((host) => shelveGuest(host, uuid, { directory, timeoutMs: 0 }, ctx));
    await life.expectPicture(rebuilt, { ...GONE, keys });
    expect(await objectsOf(uuid)).toEqual([]);
    for (const { name, encryption } of rebuilt.disks) {
      await life.on(async (host) => {
        using passphrase = await passphraseOf(host, encryption?.secretId);
        expect(await cryptsetupOpens(join(directory, `${uuid}.${name}`), passphrase)).toBe(true);
      });
    }
    const document = await parseMove(JSON.parse(readFileSync(path, "utf8")));
    const { instance: back } = await life.on((host) =>
      unshelveGuest(host, document, { directory, start: true }, ctx),
    );
    await life.expectPicture(back, whole(back, "running"));
    expect(readdirSync(directory)).toEqual([]);
    await life.stop(uuid);
    expect(await marked(life, back)).toBe(true);
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, ctx));
    await life.expectPicture(back, GONE);
    expect(await life.storedKeys()).toEqual([]);
    expect(await objectsOf(uuid)).toEqual([]);
  }, 600_000);

  test.each(["user", "host"] as const)(
    "secret_security = %s: after a reboot of the host",
    async (security) => {
      await using env = await startLibvirt();
      const openstack = await sharedOpenStack();
      const { plugins, sections } = barbicanPlugins(openstack);
      const alice = await contextOf(openstack, "alice");
      const life = await rbdLifeHost({
        env,
        life: {
          keyPlugins: [...plugins, "@luksmith/keymgr-local/host-copies"],
          sections,
          luksmith: [`secret_security = ${security}`],
          ctx: alice,
        },
      });
      const { instance } = await life.spawn(life.temp.addImage(2 * MIB), DISKS, alice);
      const { uuid } = instance;
      await life.expectPicture(instance, whole(instance, "running"));
      await rebootHost(env, [nameOf(uuid)]);
      await life.expectPicture(instance, { ...whole(instance, "off"), secrets: [] });
      const [resumed] = await life.on((host) => resumeGuests(host, testContext()));
      expect(resumed?.outcome).toBe(security === "host" ? "started" : "waiting");
      if (security === "user") await life.on((host) => startGuest(host, uuid, alice), alice);
      await life.expectPicture(instance, whole(instance, "running"));
      await life.stop(uuid);
      // The QEMU that the reboot has killed is Ceph's client for half a minute more.
      for (const { path } of instance.disks) {
        const status = () => ceph.rbd(["status", path.replace("rbd:", "")]);
        await expect.poll(status, { timeout: 60_000, interval: 1000 }).toContain("Watchers: none");
      }
      await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
      await life.expectPicture(instance, GONE);
    },
    300_000,
  );

  test("does not start where they are in a namespace, which libvirt 9.0 cannot say; all of it is taken back", async () => {
    const namespace = `life-${randomUUID()}`;
    await ceph.rbd(["namespace", "create", `${ceph.pool}/${namespace}`]);
    const life = await rbdLifeHost({ backend: [`namespace = ${namespace}`] });
    const spawned = life.spawn(life.temp.addImage(2 * MIB), DISKS);
    // It takes namespace and image for the image's name.
    await expect(spawned).rejects.toThrow(new RegExp(`reading header from ${namespace}/`));
    expect(await ceph.objects(namespace)).toEqual([]);
    expect([await life.storedKeys(), await life.on(async (host) => host.inventory.instances())]).toEqual([
      [],
      [],
    ]);
  }, 300_000);
});

/** Something on its swap disk, which only who has the passphrase can read. */
function mark(life: LifeHost, instance: InstanceRecord): Promise<void> {
  return withSwap(life, instance, writeMark);
}

function marked(life: LifeHost, instance: InstanceRecord): Promise<boolean> {
  return withSwap(life, instance, holdsMark);
}

async function withSwap<T>(
  life: LifeHost,
  instance: InstanceRecord,
  use: (disk: ReturnType<typeof diskAsQemu>) => Promise<T>,
): Promise<T> {
  return await life.on(async (host) => {
    const disk = instance.disks.find(({ name }) => name === "disk.swap");
    using passphrase = await passphraseOf(host, disk?.encryption?.secretId);
    return await use(diskAsQemu(ceph, disk!, passphrase));
  });
}

async function objectsOf(uuid: string): Promise<readonly string[]> {
  return (await ceph.objects()).filter((name) => name.startsWith(`rbd_id.${uuid}`));
}
