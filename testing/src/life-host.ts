import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { OpContext } from "@luksmith/core";
import {
  type InstanceRecord,
  type Spawned,
  spawnGuest,
  startGuest,
  stopGuest,
  type WritableHost,
} from "@luksmith/core/host";
import { domainXml, GuestSecrets } from "@luksmith/libvirt";
import { connectLibvirt } from "@luksmith/libvirt/client";
import { GuestConsole, type LibvirtEnv, tinyGuest } from "@luksmith/testing-services";
import { expect, onTestFinished } from "vitest";
import type { ImagesType } from "./cache-host.ts";
import type { RequestKnobs } from "./request-json.ts";
import { runTool } from "./run-tool.ts";
import { type TempHost, tempHost, type TempHostOptions } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

/** What there is of an instance, wherever it is kept. */
export interface Picture {
  /** Of the guest. */
  readonly guest: "absent" | "off" | "running" | "paused";
  /** Names of disks whose files exist. */
  readonly disks: readonly string[];
  /** Names of disks whose passphrases the key manager has. */
  readonly keys: readonly string[];
  /** Names of disks whose keys libvirt has. */
  readonly secrets: readonly string[];
}

export interface LifeHostOptions extends TempHostOptions {
  /** Beside those for disks and guests. */
  readonly keyPlugins?: readonly string[];
  /** As whom the key manager is looked at. */
  readonly ctx?: OpContext;
  /** Consoles of guests are where each libvirt has a directory of its own: the same guest may be on two hosts. */
  readonly ownConsoles?: boolean;
  /** Whether a disk is there; by default, whether a file is. */
  readonly exists?: (path: string) => Promise<boolean>;
  /** MiB of a guest that boots Linux. */
  readonly memoryMiB?: number;
}

const ALL_PLUGINS = ["@luksmith/backend-raw", "@luksmith/backend-qcow2", "@luksmith/libvirt/plugin"];

/** A host that runs guests, with a libvirt that is given to it. */
export class LifeHost {
  readonly temp: TempHost;
  readonly env: LibvirtEnv;
  readonly #ctx: OpContext;
  readonly #ownConsoles: boolean;
  readonly #exists: (path: string) => Promise<boolean>;
  readonly #memoryMiB: number;

  constructor(imagesType: ImagesType | "rbd" | "lvm", env: LibvirtEnv, options: LifeHostOptions = {}) {
    const { keyPlugins = ["@luksmith/keymgr-local"], sections = [], ctx = testContext() } = options;
    const { keyPlugins: _plugins, sections: _sections, ctx: _ctx, ownConsoles = false, ...rest } = options;
    const { exists = async (path) => existsSync(path), memoryMiB = 512 } = options;
    this.env = env;
    this.#ctx = ctx;
    this.#ownConsoles = ownConsoles;
    this.#exists = exists;
    this.#memoryMiB = memoryMiB;
    this.temp = tempHost({
      ...rest,
      imagesType,
      plugins: [...ALL_PLUGINS, ...ownPlugins(imagesType), ...keyPlugins],
      sections: [...sections, "[libvirt]", `connection_uri = ${env.uri}`],
    });
    // Also what a failed test leaves.
    onTestFinished(() => this.endAll());
  }

  /** What happens in between is as if by one process of the agent. */
  async on<T>(work: (host: WritableHost) => Promise<T>, ctx: OpContext = testContext()): Promise<T> {
    await using host = await this.temp.write(ctx);
    return await work(host);
  }

  /** An image with the tiny guest's own programs; its id. */
  async guestImage(): Promise<string> {
    const id = randomUUID();
    const { rootFiles } = await tinyGuest();
    await runTool("mke2fs", ["-q", "-F", "-t", "ext4", "-d", rootFiles, this.temp.imageFile(id), "16M"]);
    return id;
  }

  /** Domain XML of a guest that boots the tiny Linux from its first disk, or nothing at all. */
  async template(uuid: string, boots: "linux" | "nothing" = "linux"): Promise<string> {
    const { kernel, initrd, commandLine } = await tinyGuest();
    const linux = { kernel, initrd, commandLine: `${commandLine} root=/dev/vda` };
    return domainXml({
      uuid,
      name: nameOf(uuid),
      virtType: "qemu",
      arch: "x86_64",
      machineType: "q35",
      memoryMiB: boots === "linux" ? this.#memoryMiB : 64,
      vcpus: 1,
      disks: [],
      bootOrder: ["hd"],
      cpuMode: "maximum",
      ...(boots === "linux" ? { directKernel: linux } : {}),
      console: { type: "unix", path: this.#consolePath(uuid, "/run/libvirt") },
    });
  }

  console(uuid: string): GuestConsole {
    const console = new GuestConsole(this.#consolePath(uuid));
    onTestFinished(() => console[Symbol.dispose]());
    return console;
  }

  async spawn(
    image: string,
    knobs: Omit<RequestKnobs, "image" | "imageBytes"> & { start?: boolean; boots?: "linux" | "nothing" } = {},
    ctx: OpContext = testContext(),
  ): Promise<Spawned> {
    const { start = true, boots, ...rest } = knobs;
    const uuid = knobs.instance ?? randomUUID();
    const request = await this.temp.request(image, { ...rest, instance: uuid });
    const template = await this.template(uuid, boots);
    return await this.on((host) => spawnGuest(host, request, { start, template }, ctx), ctx);
  }

  async start(uuid: string, ctx: OpContext = testContext()): Promise<void> {
    await this.on((host) => startGuest(host, uuid, ctx), ctx);
  }

  async stop(uuid: string): Promise<void> {
    await this.on((host) => stopGuest(host, uuid, { timeoutMs: 0 }, testContext()));
  }

  /** What libvirt says of a guest. */
  async guest(uuid: string): Promise<Picture["guest"]> {
    const ctx = testContext();
    using libvirt = await connectLibvirt(this.env.uri, ctx);
    const domain = await libvirt.domains.find(uuid, ctx);
    return domain ? shown(await libvirt.domains.state(uuid, ctx)) : "absent";
  }

  /** Looks at everything there is of an instance, also of one that is gone. */
  async picture({ uuid, disks }: InstanceRecord): Promise<Picture> {
    const given = new Set(await this.guestSecrets());
    const stored = new Set(await this.storedKeys());
    const secretOf = ({ encryption }: InstanceRecord["disks"][number]): string => encryption?.secretId ?? "";
    const names = (wanted: (disk: InstanceRecord["disks"][number]) => boolean): readonly string[] =>
      disks.filter(wanted).map(({ name }) => name);
    const there = new Set<string>();
    for (const { name, path } of disks) if (await this.#exists(path)) there.add(name);
    return {
      guest: await this.guest(uuid),
      disks: names(({ name }) => there.has(name)),
      keys: names((disk) => stored.has(secretOf(disk))),
      secrets: names((disk) => given.has(secretOf(disk))),
    };
  }

  async storedKeys(): Promise<readonly string[]> {
    await using host = await this.temp.read();
    const services = await host.services();
    const stored: string[] = [];
    for await (const { id } of services.keys.list?.({}, this.#ctx) ?? []) stored.push(id);
    return stored;
  }

  /** As libvirt has them; not only ours, since tests share a libvirt. */
  async guestSecrets(): Promise<readonly string[]> {
    using libvirt = await connectLibvirt(this.env.uri, testContext());
    return (await new GuestSecrets(libvirt.secrets).list(testContext())).map(({ uuid }) => uuid);
  }

  /** Fails unless an instance looks like this. */
  async expectPicture(instance: InstanceRecord, expected: Picture): Promise<void> {
    expectSame(await this.picture(instance), expected);
  }

  /** Takes this host's guests and keys out of libvirt. */
  async endAll(): Promise<void> {
    const ctx = testContext();
    await using host = await this.temp.read();
    const instances = host.inventory?.instances() ?? [];
    using libvirt = await connectLibvirt(this.env.uri, ctx).catch(() => undefined);
    if (!libvirt) return;
    for (const { uuid, disks } of instances) {
      await libvirt.domains.destroy(uuid, ctx).catch(() => false);
      await libvirt.domains.undefine(uuid, ctx);
      for (const { encryption } of disks) {
        if (encryption?.secretId) await libvirt.secrets.undefine(encryption.secretId, ctx);
      }
    }
  }

  /** @param directory of consoles of libvirt's own, as whoever asks sees it */
  #consolePath(uuid: string, directory = join(this.env.stateDirectory, "run")): string {
    return join(this.#ownConsoles ? directory : this.temp.root, `c-${uuid.slice(0, 8)}`);
  }
}

/** Of backends that not every host has. */
function ownPlugins(imagesType: string): readonly string[] {
  return imagesType === "rbd" || imagesType === "lvm" ? [`@luksmith/backend-${imagesType}`] : [];
}

export function nameOf(uuid: string): string {
  return `instance-${uuid.slice(0, 8)}`;
}

/** A picture of a whole instance. */
export function whole(instance: InstanceRecord, guest: Picture["guest"]): Picture {
  const names = instance.disks.map(({ name }) => name);
  return { guest, disks: names, keys: names, secrets: names };
}

function expectSame(picture: Picture, expected: Picture): void {
  expect(picture).toEqual(expected);
}

export const GONE: Picture = { guest: "absent", disks: [], keys: [], secrets: [] };

function shown(state: string): Picture["guest"] {
  if (state === "running" || state === "blocked") return "running";
  return state === "paused" ? "paused" : "off";
}
