import { randomUUID } from "node:crypto";
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { formatContainer, GeneratedPassphrase, type Passphrase } from "@luksmith/core";
import { testContext } from "@luksmith/testkit";
import { GuestConsole, type LibvirtEnv, type TinyGuest, tinyGuest } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import { connectLibvirt } from "../src/client.ts";
import { domainXml, type Guest, type GuestDisk, GuestSecrets, type Libvirt } from "../src/index.ts";

/** A raw disk with a LUKS header, its passphrase, and what libvirt calls it. */
export interface TestDisk {
  readonly disk: GuestDisk;
  readonly file: string;
  readonly passphrase: Passphrase;
  readonly secretId: string;
}

export interface TestGuest {
  readonly uuid: string;
  readonly name: string;
  /** The first of its disks. */
  readonly root: TestDisk;
  readonly disks: readonly TestDisk[];
  readonly console: GuestConsole;
  /** The socket of its console. */
  readonly consolePath: string;
  readonly xml: string;
}

const SECTOR = 512;
const MIB = 1024 * 1024;

/** A connection to an environment and the guests of one test, which are gone when it ends. */
export class Bench {
  readonly ctx = testContext();
  readonly env: LibvirtEnv;
  readonly libvirt: Libvirt;
  readonly secrets: GuestSecrets;

  private constructor(env: LibvirtEnv, libvirt: Libvirt) {
    this.env = env;
    this.libvirt = libvirt;
    this.secrets = new GuestSecrets(libvirt.secrets);
  }

  static async open(env: LibvirtEnv): Promise<Bench> {
    const libvirt = await connectLibvirt(env.uri, testContext());
    onTestFinished(() => libvirt[Symbol.dispose]());
    return new Bench(env, libvirt);
  }

  /** A path of this test's own that libvirt's QEMU can use. */
  path(name: string): string {
    return join(this.env.stateDirectory, `${randomUUID().slice(0, 8)}-${name}`);
  }

  /** An encrypted raw disk at `vd…`; its secret is not in libvirt yet. */
  disk(device = "vda", mebibytes = 16): TestDisk {
    const [uuid, secretId] = [randomUUID(), randomUUID()];
    const passphrase = GeneratedPassphrase.create();
    onTestFinished(() => passphrase[Symbol.dispose]());
    const file = this.path(`${device}.luks`);
    const { header, writes, volumeKey } = formatContainer({ uuid, passphrase });
    volumeKey[Symbol.dispose]();
    const fd = openSync(file, "wx+");
    for (const { bytes, offset } of writes) writeSync(fd, bytes, 0, bytes.length, offset);
    ftruncateSync(fd, header.payloadOffset * SECTOR + mebibytes * MIB);
    closeSync(fd);
    const disk = placed(uuid, secretId, file, device, mebibytes * MIB);
    return { disk, file, passphrase, secretId };
  }

  /** Defined, not started; without secrets in libvirt. */
  async define(disks: readonly [TestDisk, ...TestDisk[]], changes: Partial<Guest> = {}): Promise<TestGuest> {
    const [root] = disks;
    const uuid = changes.uuid ?? randomUUID();
    const [name, path] = [`instance-${uuid.slice(0, 8)}`, this.path("console")];
    const guest = { ...tinyGuestOf(await tinyGuest()), uuid, name, disks: disks.map(({ disk }) => disk) };
    const xml = domainXml({ ...guest, console: { type: "unix", path }, ...changes });
    await this.libvirt.domains.define(xml, this.ctx);
    const console = new GuestConsole(path);
    onTestFinished(async () => {
      console[Symbol.dispose]();
      // The test may have stopped the daemon that its own connection was to.
      using libvirt = await connectLibvirt(this.env.uri, testContext());
      await libvirt.domains.destroy(uuid, testContext()).catch(() => false);
      await libvirt.domains.undefine(uuid, testContext());
    });
    return { uuid, name, root, disks, console, consolePath: path, xml };
  }

  /** Sets the secrets and starts it; returns when it takes commands. */
  async boot(disks: readonly [TestDisk, ...TestDisk[]], changes: Partial<Guest> = {}): Promise<TestGuest> {
    const guest = await this.define(disks, changes);
    await this.setSecrets(guest);
    await this.libvirt.domains.start(guest.uuid, this.ctx);
    await guest.console.ready();
    return guest;
  }

  async setSecrets({ uuid, disks }: Pick<TestGuest, "uuid" | "disks">): Promise<void> {
    for (const disk of disks) await this.secrets.ensure(secretOf(uuid, disk), disk.passphrase, this.ctx);
  }
}

export function secretOf(instanceUuid: string, { disk, secretId }: TestDisk) {
  return { uuid: secretId, use: { kind: "disk", instanceUuid, diskUuid: disk.uuid } } as const;
}

function tinyGuestOf({ kernel, initrd, commandLine }: TinyGuest): Omit<Guest, "uuid" | "name" | "disks"> {
  return {
    virtType: "qemu",
    arch: "x86_64",
    machineType: "q35",
    memoryMiB: 128,
    vcpus: 1,
    cpuMode: "maximum",
    bootOrder: [],
    directKernel: { kernel, initrd, commandLine },
  };
}

function placed(uuid: string, secretId: string, file: string, dev: string, bytes: number): GuestDisk {
  return {
    uuid,
    name: dev === "vda" ? "disk" : `disk.${dev}`,
    backend: "raw",
    path: file,
    format: "raw",
    virtual_size: bytes,
    encrypted: true,
    encryption_format: "luks",
    encryption_secret_uuid: secretId,
    source: { type: "file", file, format: "raw" },
    mapping: { bus: "virtio", dev, type: "disk" },
  };
}
