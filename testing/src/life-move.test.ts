import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  confirmMove,
  offerGuest,
  deleteById,
  findInstance,
  flattenDisk,
  type MoveDocument,
  parseMove,
  resumeGuests,
  revertMove,
  startGuest,
} from "@luksmith/core/host";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { sharedLibvirt, sharedOpenStack, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { rebootHost } from "./host-reboot.ts";
import { GONE, LifeHost, nameOf, whole } from "./life-host.ts";
import { passphraseOf } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { TwoHosts } from "./two-hosts.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written on the first host, read on the second";

beforeAll(async () => {
  await Promise.all([sharedOpenStack(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("moves to another host: ciphertext as it is, keys there before it starts and gone here after", async () => {
    const hosts = await TwoHosts.create(imagesType);
    const { source, target, targetEnv, alice } = hosts;
    const { instance } = await source.spawn(await source.guestImage(), { swap: 4 }, alice);
    const { uuid } = instance;
    const console = source.console(uuid);
    await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);
    await console.write("/dev/vdb", TEXT, { offset: MIB });
    await expect(hosts.offer(uuid)).rejects.toMatchObject({ code: "DomainStateConflict" });
    await source.stop(uuid);
    // Overlays stand on a base of their host.
    for (const { name } of instance.disks.filter((disk) => disk.source.backing)) {
      await expect(hosts.offer(uuid)).rejects.toMatchObject({ code: "UnsupportedOperation" });
      await source.on(async (host) => flattenDisk(host, await findInstance(host, uuid), name, alice), alice);
    }

    const document = await hosts.offer(uuid);
    for (const { encryption } of instance.disks) {
      await source.on(async (host) => {
        using passphrase = await passphraseOf(host, encryption?.secretId);
        const text = passphrase.use((bytes) => Buffer.from(bytes).toString("latin1"));
        expect(JSON.stringify(document).includes(text)).toBe(false);
      }, alice);
    }
    await source.expectPicture(instance, whole(instance, "off"));
    // What was offered is nobody's to change here; above all, its passphrases are not to be deleted.
    for (const change of [
      () => source.start(uuid, alice),
      () => source.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice),
    ]) {
      await expect(change()).rejects.toMatchObject({ code: "InstanceBusy" });
    }

    const adopted = await hosts.adopt(document);
    await target.expectPicture(adopted.instance, whole(adopted.instance, "running"));
    expect(adopted.instance.disks.map(({ uuid: disk }) => disk)).toEqual(
      instance.disks.map(({ uuid: disk }) => disk),
    );
    await console.ready();
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.holds("/dev/vdb", TEXT, { offset: MIB })).toBe(true);
    await source.expectPicture(instance, whole(instance, "off"));

    await source.on((host) => confirmMove(host, uuid, {}, alice), alice);
    const keys = instance.disks.map(({ name }) => name);
    await source.expectPicture(instance, { ...GONE, keys });
    expect(await source.guestSecrets()).toEqual([]);
    await target.expectPicture(adopted.instance, whole(adopted.instance, "running"));

    // The other host has copies of its own, and opens the disks by itself.
    await rebootHost(targetEnv, [nameOf(uuid)]);
    const resumed = await target.on((host) => resumeGuests(host, testContext()));
    expect(resumed).toMatchObject([{ outcome: "started" }]);
    await target.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
    await target.expectPicture(adopted.instance, GONE);
  }, 600_000);

  test("that another host cannot take stays, and nothing of it is left there", async () => {
    const hosts = await TwoHosts.create(imagesType);
    const { source, target, alice } = hosts;
    const { instance } = await source.spawn(
      source.temp.addImage(2 * MIB),
      { swap: 4, start: false, boots: "nothing" },
      alice,
    );
    const { uuid } = instance;
    for (const { name, source: from } of instance.disks) {
      if (from.backing) {
        await source.on(
          async (host) => flattenDisk(host, await findInstance(host, uuid), name, alice),
          alice,
        );
      }
    }
    const document = await hosts.offer(uuid);
    const [disk, swap] = twoDisks(document);
    const elsewhere = join(source.temp.root, "elsewhere");
    writeFileSync(elsewhere, "not a disk");
    const lies: readonly [Partial<MoveDocument>, RegExp][] = [
      // Another disk's content, under this one's name.
      [{ disks: [{ ...disk, path: swap.path }] }, /DiskNotProven|DiskReplaced/],
      [{ disks: [disk, { ...swap, path: elsewhere }] }, /DiskNotProven|LuksHeaderInvalid|Disk/],
      [{ disks: [disk, { ...swap, path: `${swap.path}-nowhere` }] }, /DiskNotFound/],
      [{ disks: [{ ...disk, virtual_size: disk.virtual_size + 512 }] }, /DiskNotProven/],
      [
        { disks: [{ ...disk, encryption: { format: "luks", secret_id: uuid } }] },
        /EphemeralEncryptionSecretNotFound/,
      ],
      [
        {
          definition: document.definition.replace(
            /<kernel>[^<]*|<os>/,
            (found) => `${found}<kernel>/nowhere</kernel>`,
          ),
        },
        /./,
      ],
    ];
    for (const [lie, code] of lies) {
      const attempt = hosts.adopt({ ...document, ...lie });
      await expect(attempt).rejects.toMatchObject({ code: expect.stringMatching(code) });
      expect(await target.guest(uuid)).toBe("absent");
      expect(await target.guestSecrets()).toEqual([]);
      expect(filesBelow(target.temp.instancesPath).filter((name) => name.includes(uuid))).toEqual([]);
      await target.on(async (host) => expect(host.journal.unfinished()).toEqual([]), alice);
    }
    // Its passphrases are there for the one that keeps it.
    await source.expectPicture(instance, whole(instance, "off"));
    await source.on((host) => revertMove(host, uuid, {}, alice), alice);
    await source.on((host) => startGuest(host, uuid, alice), alice);
    await source.expectPicture(instance, whole(instance, "running"));
    await expect(source.on((host) => confirmMove(host, uuid, {}, alice), alice)).rejects.toMatchObject({
      code: "DomainStateConflict",
    });
    await source.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
  }, 300_000);
});

function twoDisks({ disks }: MoveDocument): readonly [MovedDisk, MovedDisk] {
  const [one, other] = disks;
  if (!one || !other) throw new Error("an instance with a root disk and swap has two disks");
  return [one, other];
}

type MovedDisk = MoveDocument["disks"][number];

test("a guest that was offered off, and that somebody started all the same, is not ended by a confirm", async () => {
  const env = await sharedLibvirt();
  const life = new LifeHost("raw", env);
  const ctx = testContext();
  const { instance } = await life.spawn(life.temp.addImage(2 * MIB), { start: false, boots: "nothing" });
  const { uuid } = instance;
  await life.on((host) => offerGuest(host, uuid, ctx));
  using libvirt = await connectLibvirt(env.uri, ctx);
  await libvirt.domains.start(uuid, ctx);
  const confirm = () => life.on((host) => confirmMove(host, uuid, {}, ctx));
  await expect(confirm()).rejects.toMatchObject({ code: "DomainStateConflict" });
  await life.expectPicture(instance, whole(instance, "running"));
  await libvirt.domains.destroy(uuid, ctx);
  await confirm();
  expect(await life.guest(uuid)).toBe("absent");
}, 120_000);

test("a document that is none is refused, and so is one that would leave its directory", async () => {
  const disk = {
    uuid: randomUUID(),
    name: "disk",
    backend: "raw",
    path: "/x",
    virtual_size: 512,
    encryption: null,
  };
  const instance = {
    uuid: randomUUID(),
    name: null,
    project_id: null,
    disk_info: { mapping: {} },
    block_device_info: {},
  };
  const document = { kind: "luksmith.move", version: 1, instance, definition: "<domain/>", disks: [disk] };
  expect(await parseMove(document)).toEqual(document);
  const lies = [
    {},
    "x",
    { ...document, version: 2 },
    { ...document, disks: [{ ...disk, name: "../disk" }] },
    { ...document, instance: { ...instance, uuid: "../../etc" } },
    { ...document, disks: [{ ...disk, virtual_size: 511 }] },
    { ...document, disks: [] },
  ];
  for (const lie of lies) {
    await expect(parseMove(lie)).rejects.toMatchObject({ code: "InvalidRequest" });
  }
});
