import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { findInstance, snapshotDisk, type SnapshotRecord } from "@luksmith/core/host";
import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { LifeHost, whole } from "./life-host.ts";
import { qemuDecrypt } from "./oracles/qemu.ts";
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
    for (const refused of [{ plain: true }, { format: "qcow2" }] as const) {
      await expect(snapshot("refused", "disk.swap", refused)).rejects.toMatchObject({
        code: "UnsupportedOperation",
      });
    }
    expect(existsSync(join(life.temp.root, "refused"))).toBe(false);

    const secrets = await life.guestSecrets();
    const swap = await snapshot("swap", "disk.swap");
    const root = await snapshot("root", "disk");
    await console.write("/dev/vdb", AFTER, { offset: MIB });
    expect(await console.holds("/dev/vdb", AFTER, { offset: MIB })).toBe(true);
    await life.expectPicture(instance, whole(instance, "running"));
    // What libvirt was given for a while it has no more.
    expect(
      (await life.guestSecrets()).filter((id) => !secrets.includes(id) && id === swap.encryption?.secretId),
    ).toEqual([]);
    expect(swap.encryption?.secretId).not.toBe(instance.disks[1]?.encryption?.secretId);

    const read = ({ path, encryption }: SnapshotRecord): Promise<Buffer> =>
      life.on(async (host) => {
        using passphrase = await passphraseOf(host, encryption?.secretId);
        await qemuDecrypt({ path, format: "raw", passphrase }, `${path}.plain`);
        return readFileSync(`${path}.plain`);
      });
    const copied = await read(swap);
    expect(copied.length).toBe(4 * MIB);
    expect(copied.subarray(MIB, MIB + BEFORE.length).toString("latin1")).toBe(BEFORE);
    expect(copied.includes(AFTER)).toBe(false);
    // An ext4 superblock's magic: also what the base of an overlay holds was copied.
    expect((await read(root)).readUInt16LE(1024 + 56)).toBe(0xef53);
    expect(readFileSync(swap.path).includes(BEFORE)).toBe(false);
    expect(magicOf(root.path)).toBe("LUKS\xba\xbe");
  }, 300_000);
});

function magicOf(path: string): string {
  const bytes = Buffer.alloc(6);
  const fd = openSync(path, "r");
  readSync(fd, bytes, 0, bytes.length, 0);
  closeSync(fd);
  return bytes.toString("latin1");
}
