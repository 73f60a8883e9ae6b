import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  deleteById,
  parseMove,
  resumeGuests,
  shelveGuest,
  unshelveGuest,
  type MoveDocument,
} from "@luksmith/core/host";
import { sharedLibvirt, sharedOpenStack, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { GONE, LifeHost, whole } from "./life-host.ts";
import { cryptsetupOpens } from "./oracles/cryptsetup.ts";
import { qemuImgInfo, qemuOpens } from "./oracles/qemu.ts";
import { rawBytesContain } from "./oracles/raw-bytes.ts";
import { TwoHosts } from "./two-hosts.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "shelved on one host, read on another";

beforeAll(async () => {
  await Promise.all([sharedOpenStack(), sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("is shelved, and comes back on another host with all that it had", async () => {
    const hosts = await TwoHosts.create(imagesType);
    const { source, target, alice } = hosts;
    const { instance } = await source.spawn(await source.guestImage(), { swap: 4 }, alice);
    const { uuid } = instance;
    const console = source.console(uuid);
    await console.ready();
    await console.run(`echo '${TEXT}' > /on-root; sync`);
    await console.write("/dev/vdb", TEXT, { offset: MIB });
    const directory = join(source.temp.root, "shelf");
    const shelve = () =>
      source.on((host) => shelveGuest(host, uuid, { directory, timeoutMs: 0 }, alice), alice);
    // No such directory: the guest goes on, and has noticed nothing.
    await expect(shelve()).rejects.toMatchObject({ code: "IoError" });
    expect(await console.run("cat /on-root")).toBe(TEXT);
    mkdirSync(directory);

    const { path, document } = await shelve();
    const keys = instance.disks.map(({ name }) => name);
    await source.expectPicture(instance, { ...GONE, keys });
    expect(await source.on(async (host) => host.inventory.instance(uuid), alice)).toBeUndefined();
    expect(readdirSync(directory).toSorted()).toEqual(
      [`${uuid}.disk`, `${uuid}.disk.swap`, `${uuid}.json`].toSorted(),
    );
    for (const { name, encryption, virtualSize } of instance.disks) {
      const file = join(directory, `${uuid}.${name}`);
      expect(await rawBytesContain(file, TEXT)).toBe(false);
      await source.on(async (host) => {
        const services = await host.services();
        using passphrase = await services.keys.get({ id: encryption?.secretId ?? "" }, alice);
        using wrong = services.luks.generatePassphrase();
        const disk = { path: file, format: imagesType, passphrase };
        expect(await qemuOpens(disk)).toBe(true);
        expect(await qemuOpens({ ...disk, passphrase: wrong })).toBe(false);
        const info = await qemuImgInfo(disk);
        expect(info["virtual-size"]).toBe(Number(virtualSize));
        expect(info["backing-filename"]).toBeUndefined();
        expect(imagesType === "qcow2" || (await cryptsetupOpens(file, passphrase))).toBe(true);
        const text = passphrase.use((bytes) => Buffer.from(bytes).toString("latin1"));
        expect(readFileSync(path, "latin1").includes(text)).toBe(false);
      }, alice);
    }

    const read = await parseMove(JSON.parse(readFileSync(path, "utf8")));
    expect(read).toEqual(document);
    const unshelve = (from: MoveDocument) =>
      target.on((host) => unshelveGuest(host, from, { directory, start: true }, alice), alice);
    const { instance: back } = await unshelve(read);
    await target.expectPicture(back, whole(back, "running"));
    expect(readdirSync(directory)).toEqual([]);
    await console.ready();
    expect(await console.run("cat /on-root")).toBe(TEXT);
    expect(await console.holds("/dev/vdb", TEXT, { offset: MIB })).toBe(true);
    // It is taken from the shelf once.
    await expect(unshelve(read)).rejects.toMatchObject({ code: "DiskNotFound" });
    await target.on((host) => deleteById(host, uuid, { forgetMissing: false }, alice), alice);
    await target.expectPicture(back, GONE);
  }, 600_000);

  test("that cannot be shelved or unshelved stays where it is", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const ctx = testContext();
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { swap: 4, boots: "nothing" });
    const { uuid } = instance;
    const directory = join(life.temp.root, "shelf");
    mkdirSync(directory);
    const shelve = () => life.on((host) => shelveGuest(host, uuid, { directory, timeoutMs: 0 }, ctx));
    writeFileSync(join(directory, `${uuid}.disk.swap`), "somebody's");
    await expect(shelve()).rejects.toMatchObject({ code: "TargetExists" });
    await life.expectPicture(instance, whole(instance, "running"));
    expect(readdirSync(directory)).toEqual([`${uuid}.disk.swap`]);

    const other = join(life.temp.root, "other");
    mkdirSync(other);
    const { document, path } = await life.on((host) =>
      shelveGuest(host, uuid, { directory: other, timeoutMs: 0 }, ctx),
    );
    const unshelve = (from: unknown, start = false) =>
      life.on(async (host) => unshelveGuest(host, await parseMove(from), { directory: other, start }, ctx));
    const files = readdirSync(other);
    const [disk, swap] = document.disks;
    if (!disk || !swap) throw new Error("two disks were shelved");
    for (const lie of [
      { ...document, kind: "luksmith.move" },
      { ...document, disks: [{ ...disk, path: swap.path }, swap] },
      { ...document, disks: [disk, { ...swap, virtual_size: swap.virtual_size + 512 }] },
      { ...document, disks: [disk, { ...swap, path: `../shelf/${swap.path}x` }] },
    ]) {
      await expect(unshelve(lie)).rejects.toMatchObject({
        code: expect.stringMatching(/InvalidRequest|DiskNotProven|DiskReplaced|DiskNotFound/),
      });
      expect(readdirSync(other)).toEqual(files);
      expect(await life.on(async (host) => host.inventory.instances())).toEqual([]);
    }
    await unshelve(JSON.parse(readFileSync(path, "utf8")));
    await life.expectPicture(instance, whole(instance, "off"));
    expect(await life.on((host) => resumeGuests(host, ctx))).toEqual([]);
    expect(readdirSync(other)).toEqual([]);
  }, 120_000);
});
