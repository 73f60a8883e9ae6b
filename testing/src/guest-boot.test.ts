import { sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { createOnEncryptedBase, GuestMachine, SECRET_TEXT } from "./guest-machine.ts";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("boots from its encrypted root, writes to all disks, and reads back after reboots", async () => {
    const machine = await GuestMachine.create(imagesType);
    expect(machine.guest.disks.map(({ name }) => name)).toEqual(["disk", "disk.eph0", "disk.swap"]);
    await machine.setSecrets();
    const { console, libvirt, ctx, uuid } = machine;
    await libvirt.domains.start(uuid, ctx);
    const first = await console.ready();
    // Its root is on the disk: the initrd has no such directory.
    expect(await console.run("ls -d /lost+found")).toBe("/lost+found");
    expect(await console.run("cat /proc/swaps | wc -l")).toBe("1");
    await console.run(`echo '${SECRET_TEXT}' > /on-root; mkdir /eph; mount -t ext4 /dev/vdb /eph`);
    await console.run(`echo '${SECRET_TEXT}' > /eph/on-ephemeral; umount /eph; sync`);
    await console.run("swapon /dev/vdc && swapoff /dev/vdc");
    await console.write("/dev/vdc", SECRET_TEXT, { offset: 1_048_576 });
    for (const { mapping, virtual_size } of machine.guest.disks) {
      expect(await console.size(`/dev/${mapping.dev}`)).toBe(BigInt(virtual_size));
    }
    expect(await machine.leaks()).toEqual([]);

    console.reboot();
    const second = await console.ready();
    expect(second).not.toBe(first);
    expect(await machine.readBack()).toEqual([SECRET_TEXT, SECRET_TEXT, true]);

    await libvirt.domains.destroy(uuid, ctx);
    await libvirt.domains.start(uuid, ctx);
    await console.ready();
    expect(await machine.readBack()).toEqual([SECRET_TEXT, SECRET_TEXT, true]);
    expect(await machine.leaks()).toEqual([]);

    // While it runs, its disks are nobody else's.
    await expect(machine.remove()).rejects.toMatchObject({ code: "DiskInUse" });
    console.powerOff();
    await expect.poll(() => libvirt.domains.state(uuid, ctx), { timeout: 60_000 }).toBe("off");
    expect(await machine.verified()).toEqual([true, true, true]);
    await machine.remove();
  }, 600_000);

  test("has no secret, or another one's, and says so instead of hanging", async () => {
    const machine = await GuestMachine.create(imagesType);
    const { libvirt, ctx, uuid } = machine;
    await expect(libvirt.domains.start(uuid, ctx)).rejects.toMatchObject({ code: "GuestSecretMissing" });
    await machine.setSecrets();
    const [one = "", other = ""] = machine.secretIds;
    await machine.setSecret(one, other);
    await expect(libvirt.domains.start(uuid, ctx)).rejects.toMatchObject({ code: "GuestDiskNotOpened" });
    expect(await libvirt.domains.state(uuid, ctx)).toBe("off");
    // The disks are as they were: with the right secret they boot.
    await machine.setSecrets();
    await libvirt.domains.start(uuid, ctx);
    await machine.console.ready();
  }, 600_000);
});

test("a guest boots from an encrypted overlay on an encrypted base, each opened by its own secret", async () => {
  const machine = await GuestMachine.create("qcow2", createOnEncryptedBase);
  const { libvirt, ctx, uuid, console, instance } = machine;
  const baseSecret = instance.disks[0]?.source.backing?.secretId ?? "";
  expect(machine.secretIds).not.toContain(baseSecret);
  await machine.setSecrets();
  // The overlay's alone does not do.
  await expect(libvirt.domains.start(uuid, ctx)).rejects.toMatchObject({ code: "GuestSecretMissing" });
  await machine.setBaseSecret(baseSecret);
  await libvirt.domains.start(uuid, ctx);
  await console.ready();
  await console.run(`echo '${SECRET_TEXT}' > /on-root; sync`);
  expect(await console.run("ls -d /lost+found; cat /on-root")).toBe(`/lost+found\n${SECRET_TEXT}`);
  expect(await machine.leaks()).toEqual([]);
}, 600_000);
