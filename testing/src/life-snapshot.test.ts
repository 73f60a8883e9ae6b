import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { findInstance, snapshotDisk, type SnapshotRecord } from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { LifeHost, whole } from "./life-host.ts";
import { qemuCheck, qemuDecrypt, qemuOpens } from "./oracles/qemu.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const BEFORE = "written before the snapshot";
const AFTER = "written after the snapshot ";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a running guest's %s disk", (imagesType) => {
  test("is copied as it is, under a key of the copy's own, while the guest writes on", async () => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const ctx = testContext();
    const console = life.console(uuid);
    await console.ready();
    await console.write("/dev/vdb", BEFORE, { offset: MIB });
    const snapshot = (
      name: string,
      disk: string,
      options: { plain?: boolean; format?: "raw" | "qcow2" } = {},
    ) => {
      const request = {
        disk,
        target: join(life.temp.root, name),
        format: "raw",
        plain: false,
        ...options,
      } as const;
      return life.on(async (host) => snapshotDisk(host, await findInstance(host, uuid), request, ctx));
    };
    await expect(snapshot("refused", "disk.swap", { plain: true })).rejects.toMatchObject({
      code: "UnsupportedOperation",
      message: expect.stringContaining("--plain"),
    });
    expect(existsSync(join(life.temp.root, "refused"))).toBe(false);

    const secrets = await life.guestSecrets();
    const copies = {
      raw: { swap: await snapshot("swap.raw", "disk.swap"), root: await snapshot("root.raw", "disk") },
      qcow2: {
        swap: await snapshot("swap.qcow2", "disk.swap", { format: "qcow2" }),
        root: await snapshot("root.qcow2", "disk", { format: "qcow2" }),
      },
    };
    await console.write("/dev/vdb", AFTER, { offset: MIB });
    expect(await console.holds("/dev/vdb", AFTER, { offset: MIB })).toBe(true);
    await life.expectPicture(instance, whole(instance, "running"));
    const all = Object.values(copies).flatMap(({ swap, root }) => [swap, root]);
    const own = all.map(({ encryption }) => encryption?.secretId ?? "");
    // What libvirt was given for a while it has no more, and no two disks share a passphrase.
    expect((await life.guestSecrets()).filter((id) => !secrets.includes(id) && own.includes(id))).toEqual([]);
    const theirs = instance.disks.map(({ encryption }) => encryption?.secretId);
    expect(new Set([...own, ...theirs]).size).toBe(own.length + theirs.length);

    for (const format of ["raw", "qcow2"] as const) {
      const { swap, root } = copies[format];
      const [swapDisk, rootDisk] = instance.disks.map(({ virtualSize }) => Number(virtualSize)).toReversed();
      const copied = await read(life, swap);
      expect(copied.length).toBe(swapDisk);
      expect(copied.subarray(MIB, MIB + BEFORE.length).toString("latin1")).toBe(BEFORE);
      expect(copied.includes(AFTER)).toBe(false);
      // An ext4 superblock's magic: also what the base of an overlay holds was copied.
      const copiedRoot = await read(life, root);
      expect(copiedRoot.length).toBe(rootDisk);
      expect(copiedRoot.readUInt16LE(1024 + 56)).toBe(0xef53);
      for (const { path } of [swap, root]) {
        const bytes = readFileSync(path);
        expect(bytes.includes(BEFORE)).toBe(false);
        expect(bytes.includes("LUKS\xba\xbe", 0, "latin1")).toBe(true);
        using wrong = GeneratedPassphrase.create();
        expect(await qemuOpens({ path, format, passphrase: wrong })).toBe(false);
      }
    }
  }, 300_000);
});

test.each(["raw", "qcow2"] as const)(
  "a plain %s disk of a running guest is copied in clear",
  async (imagesType) => {
    const life = new LifeHost(imagesType, await sharedLibvirt());
    const image = life.temp.addImage(2 * MIB);
    const { instance } = await life.spawn(image, { encrypted: false, boots: "nothing" });
    const [disk] = instance.disks;
    expect(disk?.encryption).toBeUndefined();
    for (const format of ["raw", "qcow2"] as const) {
      const request = { disk: "disk", target: join(life.temp.root, `copy.${format}`), format, plain: false };
      const copy = await life.on((host) => snapshotDisk(host, instance, request, testContext()));
      expect(copy.encryption).toBeUndefined();
      const copied = await read(life, copy);
      expect(copied.length).toBe(Number(disk?.virtualSize));
      expect(copied.subarray(0, 2 * MIB).equals(readFileSync(life.temp.imageFile(image)))).toBe(true);
    }
    await life.expectPicture(instance, { ...whole(instance, "running"), keys: [], secrets: [] });
  },
  120_000,
);

/** What a guest would see of a copy; fails unless QEMU finds its tables whole. */
function read(life: LifeHost, { path, format, encryption }: SnapshotRecord): Promise<Buffer> {
  return life.on(async (host) => {
    using passphrase = encryption && (await passphraseOf(host, encryption.secretId));
    const disk = { path, format, passphrase };
    if (format === "qcow2") await qemuCheck(disk);
    await qemuDecrypt(disk, `${path}.plain`);
    return readFileSync(`${path}.plain`);
  });
}
