import { randomUUID } from "node:crypto";
import { createReadStream, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  createInstance,
  deleteById,
  type HostConfig,
  type InstanceRecord,
  type ReadableHost,
  verifyDisks,
} from "@luksmith/core/host";
import { domainXml, GuestSecrets, type Libvirt } from "@luksmith/libvirt";
import { connectLibvirt, guestOf } from "@luksmith/libvirt/client";
import { GuestConsole, type LibvirtEnv, sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { cacheHost, type ImagesType } from "./cache-host.ts";
import { runTool } from "./run-tool.ts";
import { passphraseOf, type TempHost, tempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

/** Nobody but the guest ever writes it. */
const SECRET_TEXT = "the guest wrote this, and only the guest may read it";

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest()]);
}, 300_000);

describe.each(["raw", "qcow2"] as const)("a guest on %s disks", (imagesType) => {
  test("boots from its encrypted root, writes to all disks, and reads back after reboots", async () => {
    const machine = await Machine.create(imagesType);
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
    await machine.expectNothingInTheClear();

    console.reboot();
    const second = await console.ready();
    expect(second).not.toBe(first);
    await machine.expectAllReadBack();

    await libvirt.domains.destroy(uuid, ctx);
    await libvirt.domains.start(uuid, ctx);
    await console.ready();
    await machine.expectAllReadBack();
    await machine.expectNothingInTheClear();

    // While it runs, its disks are nobody else's.
    await expect(machine.remove()).rejects.toMatchObject({ code: "DiskInUse" });
    console.powerOff();
    await expect.poll(() => libvirt.domains.state(uuid, ctx), { timeout: 60_000 }).toBe("off");
    await machine.expectSound();
    await machine.remove();
  }, 600_000);

  test("has no secret, or another one's, and says so instead of hanging", async () => {
    const machine = await Machine.create(imagesType);
    const { libvirt, ctx, uuid } = machine;
    await expect(libvirt.domains.start(uuid, ctx)).rejects.toMatchObject({ code: "GuestSecretMissing" });
    await machine.setSecrets();
    const [one, other] = machine.instance.disks;
    await machine.setSecret(one!.encryption!.secretId!, other!.encryption!.secretId!);
    await expect(libvirt.domains.start(uuid, ctx)).rejects.toMatchObject({ code: "GuestDiskNotOpened" });
    expect(await libvirt.domains.state(uuid, ctx)).toBe("off");
    // The disks are as they were: with the right secret they boot.
    await machine.setSecrets();
    await libvirt.domains.start(uuid, ctx);
    await machine.console.ready();
  }, 600_000);
});

/** An instance with root, ephemeral and swap, and its guest, known to libvirt; gone when the test ends. */
class Machine {
  readonly ctx = testContext();
  readonly env: LibvirtEnv;
  readonly libvirt: Libvirt;
  readonly temp: TempHost;
  readonly instance: InstanceRecord;
  readonly guest: ReturnType<typeof guestOf>;
  readonly console: GuestConsole;

  private constructor(parts: Pick<Machine, "env" | "libvirt" | "temp" | "instance" | "guest" | "console">) {
    ({
      env: this.env,
      libvirt: this.libvirt,
      temp: this.temp,
      instance: this.instance,
      guest: this.guest,
      console: this.console,
    } = parts);
  }

  static async create(imagesType: ImagesType): Promise<Machine> {
    const env = await sharedLibvirt();
    const temp = imagesType === "raw" ? tempHost() : cacheHost(imagesType);
    const { request, instance, config } = await createWithRoot(temp);
    const { kernel, initrd, commandLine } = await tinyGuest();
    const path = join(temp.root, "console");
    const guest = {
      ...guestOf(request, instance, config),
      name: `instance-${instance.uuid.slice(0, 8)}`,
      machineType: "q35",
      cpuMode: "maximum",
      directKernel: { kernel, initrd, commandLine: `${commandLine} root=/dev/vda` },
      console: { type: "unix", path },
    } as const;
    const libvirt = await connectLibvirt(env.uri, testContext());
    const console = new GuestConsole(path);
    await libvirt.domains.define(domainXml(guest), testContext());
    onTestFinished(async () => {
      console[Symbol.dispose]();
      await libvirt.domains.destroy(instance.uuid, testContext());
      await libvirt.domains.undefine(instance.uuid, testContext());
      libvirt[Symbol.dispose]();
    });
    return new Machine({ env, libvirt, temp, instance, guest, console });
  }

  get uuid(): string {
    return this.instance.uuid;
  }

  /** Each encrypted disk's own. */
  async setSecrets(): Promise<void> {
    for (const { encryption } of this.instance.disks) {
      const secretId = encryption!.secretId!;
      await this.setSecret(secretId, secretId);
    }
  }

  /** Gives libvirt's secret of a disk the value that the key manager has under `from`. */
  async setSecret(secretId: string, from: string): Promise<void> {
    const diskUuid = this.instance.disks.find(({ encryption }) => encryption?.secretId === secretId)!.uuid;
    await using host = await this.temp.read();
    using passphrase = await passphraseOf(host, from);
    const use = { kind: "disk", instanceUuid: this.uuid, diskUuid } as const;
    await new GuestSecrets(this.libvirt.secrets).ensure({ uuid: secretId, use }, passphrase, this.ctx);
  }

  async expectAllReadBack(): Promise<void> {
    const { console } = this;
    expect(await console.run("cat /on-root")).toBe(SECRET_TEXT);
    expect(await console.run("mount -t ext4 -o ro /dev/vdb /eph; cat /eph/on-ephemeral; umount /eph")).toBe(
      SECRET_TEXT,
    );
    expect(await console.holds("/dev/vdc", SECRET_TEXT, { offset: 1_048_576 })).toBe(true);
  }

  /** Neither what the guest wrote nor what encrypts it, in the host's files, libvirt's, or QEMU's command line. */
  async expectNothingInTheClear(): Promise<void> {
    const passphrases = await this.#passphrases();
    const needles = [
      SECRET_TEXT,
      ...passphrases,
      ...passphrases.map((text) => Buffer.from(text).toString("base64")),
    ];
    const leaks: string[] = [];
    for (const root of [this.temp.root, this.env.stateDirectory]) {
      for (const path of filesBelow(root).map((name) => join(root, name))) {
        // QEMU's sockets have no content.
        if (statSync(path).isFile() && (await containsAny(path, needles))) leaks.push(path);
      }
    }
    expect(leaks).toEqual([]);
    const commandLine = (await this.env.qemuCommandLine(this.guest.name))!.join(" ");
    expect(commandLine).toContain("encryption-secret0");
    for (const needle of needles) expect(commandLine).not.toContain(needle);
  }

  async expectSound(): Promise<void> {
    await using host = await this.temp.read();
    const [report] = await verifyDisks(host, this.uuid, this.ctx);
    expect(report?.disks.map(({ ok }) => ok)).toEqual([true, true, true]);
  }

  async remove(): Promise<void> {
    await using host = await this.temp.write();
    await deleteById(host, this.uuid, { forgetMissing: false }, this.ctx);
  }

  async #passphrases(): Promise<readonly string[]> {
    await using host: ReadableHost = await this.temp.read();
    const texts: string[] = [];
    for (const { encryption } of this.instance.disks) {
      using passphrase = await passphraseOf(host, encryption?.secretId);
      texts.push(passphrase.use((bytes) => Buffer.from(bytes).toString("latin1")));
    }
    return texts;
  }
}

/** The root disk is made of an image whose file system holds the tiny guest's own programs. */
async function createWithRoot(temp: TempHost) {
  const { rootFiles } = await tinyGuest();
  const id = randomUUID();
  const image = join(temp.imagesPath, id);
  await runTool("mke2fs", ["-q", "-F", "-t", "ext4", "-d", rootFiles, `${image}.new`, "16M"]);
  renameSync(`${image}.new`, image);
  const request = await temp.request(id, { ephemeral: 1, swap: 32 });
  await using host = await temp.write();
  const instance = await createInstance(host, request, testContext());
  const config: HostConfig = await temp.config();
  expect(instance.disks.map(({ name }) => name)).toEqual(["disk", "disk.eph0", "disk.swap"]);
  expect(readFileSync(image).length).toBe(16 * 1_048_576);
  return { request, instance, config };
}

/** Looks for all of them in one pass: the disks are large. */
async function containsAny(path: string, needles: readonly string[]): Promise<boolean> {
  const wanted = needles.map((needle) => Buffer.from(needle));
  const overlap = Math.max(...wanted.map((needle) => needle.length)) - 1;
  let before = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 4 * 1_048_576 })) {
    // No encoding was asked for.
    const window = Buffer.concat([before, chunk as Buffer]);
    if (wanted.some((needle) => window.includes(needle))) return true;
    before = window.subarray(-overlap);
  }
  return false;
}
