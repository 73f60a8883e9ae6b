import { randomUUID } from "node:crypto";
import { createReadStream, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  createInstance,
  deleteById,
  type HostConfig,
  type InstanceRecord,
  type InstanceRequest,
  type ReadableHost,
  verifyDisks,
} from "@luksmith/core/host";
import { domainXml, type Guest, GuestSecrets, type Libvirt } from "@luksmith/libvirt";
import { connectLibvirt, guestOf } from "@luksmith/libvirt/client";
import { GuestConsole, type LibvirtEnv, sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import { cacheHost, type ImagesType } from "./cache-host.ts";
import { addEncryptedImage, requestOf } from "./encrypted-source.ts";
import { runTool } from "./run-tool.ts";
import { passphraseOf, type TempHost, tempHost } from "./temp-host.ts";
import { filesBelow } from "./tree.ts";
import { testContext } from "./workspace.ts";

/** Nobody but the guest ever writes it. */
export const SECRET_TEXT = "the guest wrote this, and only the guest may read it";

interface Parts {
  readonly env: LibvirtEnv;
  readonly libvirt: Libvirt;
  readonly temp: TempHost;
  readonly instance: InstanceRecord;
  readonly guest: Guest;
  readonly console: GuestConsole;
}

/** An instance with root, ephemeral and swap, and its guest, known to libvirt; gone when the test ends. */
export class GuestMachine {
  readonly ctx = testContext();
  readonly env: LibvirtEnv;
  readonly libvirt: Libvirt;
  readonly temp: TempHost;
  readonly instance: InstanceRecord;
  readonly guest: Guest;
  readonly console: GuestConsole;

  private constructor(parts: Parts) {
    this.env = parts.env;
    this.libvirt = parts.libvirt;
    this.temp = parts.temp;
    this.instance = parts.instance;
    this.guest = parts.guest;
    this.console = parts.console;
  }

  static async create(imagesType: ImagesType, make = createWithRoot): Promise<GuestMachine> {
    const env = await sharedLibvirt();
    const temp = imagesType === "raw" ? tempHost() : cacheHost(imagesType);
    const { request, instance, config } = await make(temp);
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
    return new GuestMachine({ env, libvirt, temp, instance, guest, console });
  }

  get uuid(): string {
    return this.instance.uuid;
  }

  /** Of its encrypted disks. */
  get secretIds(): readonly string[] {
    return this.instance.disks.flatMap(({ encryption }) => encryption?.secretId ?? []);
  }

  /** Each encrypted disk's own. */
  async setSecrets(): Promise<void> {
    for (const secretId of this.secretIds) await this.setSecret(secretId, secretId);
  }

  /** Gives libvirt's secret of a disk the value that the key manager has under `from`. */
  async setSecret(secretId: string, from: string): Promise<void> {
    const disk = this.instance.disks.find(({ encryption }) => encryption?.secretId === secretId);
    if (!disk) throw new Error(`no disk has the secret ${secretId}`);
    await using host = await this.temp.read();
    using passphrase = await passphraseOf(host, from);
    const use = { kind: "disk", instanceUuid: this.uuid, diskUuid: disk.uuid } as const;
    await new GuestSecrets(this.libvirt.secrets).ensure({ uuid: secretId, use }, passphrase, this.ctx);
  }

  /** Of the image that the base was made of: other guests' overlays may stand on it, too. */
  async setBaseSecret(secretUuid: string): Promise<void> {
    await using host = await this.temp.read();
    using passphrase = await passphraseOf(host, secretUuid);
    const secret = { uuid: secretUuid, use: { kind: "base", secretUuid } } as const;
    await new GuestSecrets(this.libvirt.secrets).ensure(secret, passphrase, this.ctx);
    onTestFinished(async () => {
      using libvirt = await connectLibvirt(this.env.uri, testContext());
      await libvirt.secrets.undefine(secretUuid, testContext());
    });
  }

  /** What the guest finds of what the test wrote: on root, ephemeral disk and swap. */
  async readBack(): Promise<readonly [string, string, boolean]> {
    const { console } = this;
    const root = await console.run("cat /on-root");
    const ephemeral = "mount -t ext4 -o ro /dev/vdb /eph; cat /eph/on-ephemeral; umount /eph";
    const swap = await console.holds("/dev/vdc", SECRET_TEXT, { offset: 1_048_576 });
    return [root, await console.run(ephemeral), swap];
  }

  /** Where what the guest wrote, or what encrypts it, is to be read: in the host's files, libvirt's, QEMU's arguments. */
  async leaks(): Promise<readonly string[]> {
    const passphrases = await this.#passphrases();
    const needles = [
      SECRET_TEXT,
      ...passphrases,
      ...passphrases.map((text) => Buffer.from(text).toString("base64")),
    ];
    const commandLine = (await this.env.qemuCommandLine(this.guest.name))?.join(" ") ?? "";
    if (!commandLine.includes("encryption-secret0")) throw new Error(`no secret for QEMU in ${commandLine}`);
    const found = needles.some((needle) => commandLine.includes(needle)) ? ["QEMU's command line"] : [];
    for (const root of [this.temp.root, this.env.stateDirectory]) {
      for (const path of filesBelow(root).map((name) => join(root, name))) {
        // QEMU's sockets have no content.
        if (statSync(path).isFile() && (await containsAny(path, needles))) found.push(path);
      }
    }
    return found;
  }

  /** Whether each disk is, by all that Luksmith knows of it. */
  async verified(): Promise<readonly boolean[]> {
    await using host = await this.temp.read();
    const [report] = await verifyDisks(host, this.uuid, this.ctx);
    return report?.disks.map(({ ok }) => ok) ?? [];
  }

  async remove(): Promise<void> {
    await using host = await this.temp.write();
    await deleteById(host, this.uuid, { forgetMissing: false }, this.ctx);
  }

  async #passphrases(): Promise<readonly string[]> {
    await using host: ReadableHost = await this.temp.read();
    const texts: string[] = [];
    for (const secretId of this.secretIds) {
      using passphrase = await passphraseOf(host, secretId);
      texts.push(passphrase.use((bytes) => Buffer.from(bytes).toString("latin1")));
    }
    return texts;
  }
}

interface Made {
  readonly request: InstanceRequest;
  readonly instance: InstanceRecord;
  readonly config: HostConfig;
}

/** An image whose file system holds the tiny guest's own programs. */
async function rootImage(path: string): Promise<void> {
  const { rootFiles } = await tinyGuest();
  await runTool("mke2fs", ["-q", "-F", "-t", "ext4", "-d", rootFiles, path, "16M"]);
}

async function createWithRoot(temp: TempHost): Promise<Made> {
  const id = randomUUID();
  await rootImage(temp.imageFile(id));
  return carryOut(temp, await temp.request(id, { ephemeral: 1, swap: 32 }));
}

export async function createOnEncryptedBase(temp: TempHost): Promise<Made> {
  const path = join(temp.root, "plain");
  await rootImage(path);
  const source = await addEncryptedImage(temp, "qcow2", { path });
  rmSync(path);
  return carryOut(temp, await requestOf(temp, source));
}

async function carryOut(temp: TempHost, request: InstanceRequest): Promise<Made> {
  await using host = await temp.write();
  const instance = await createInstance(host, request, testContext());
  return { request, instance, config: await temp.config() };
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
