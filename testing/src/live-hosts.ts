import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import {
  confirmMove,
  dismissGuest,
  expectGuest,
  type InstanceRecord,
  type MigrationRoute,
  type MoveDocument,
  type MoveReceipt,
  type MoveTarget,
  offerLive,
  parseMove,
  parseTarget,
  revertMove,
  sendGuest,
  settleGuest,
} from "@luksmith/core/host";
import { type OwnLibvirt, startLibvirt } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import type { ImagesType } from "./cache-host.ts";
import { LifeHost } from "./life-host.ts";
import { rbdLifeOptions } from "./rbd-host.ts";
import { testContext } from "./workspace.ts";

/** Two agents, each with a libvirt, a state directory and disks of its own, and the same passphrases. */
export class LiveHosts {
  readonly source: LifeHost;
  readonly target: LifeHost;
  readonly sourceEnv: OwnLibvirt;
  readonly targetEnv: OwnLibvirt;
  /** From the first host to the second one, by sockets. */
  readonly route: MigrationRoute;

  private constructor(source: LifeHost, target: LifeHost, sourceEnv: OwnLibvirt, targetEnv: OwnLibvirt) {
    this.source = source;
    this.target = target;
    this.sourceEnv = sourceEnv;
    this.targetEnv = targetEnv;
    const sockets = join(source.temp.root, "sockets");
    rmSync(sockets, { recursive: true, force: true });
    mkdirSync(sockets, { mode: 0o700 });
    symlinkSync(join(targetEnv.stateDirectory, "run/libvirt-sock"), join(sockets, "libvirt"));
    this.route = {
      to: `qemu+unix:///system?socket=${sockets}/libvirt`,
      memory: `unix://${sockets}/memory`,
      disks: `unix://${sockets}/disks`,
      tls: false,
    };
  }

  /** The same hosts, for the way back. */
  back(): LiveHosts {
    return new LiveHosts(this.target, this.source, this.targetEnv, this.sourceEnv);
  }

  static async create(imagesType: ImagesType | "rbd"): Promise<LiveHosts> {
    const [one, two] = await Promise.all([startLibvirt(), startLibvirt()]);
    onTestFinished(async () => {
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    });
    const own = { ownConsoles: true };
    const [source, target] = await Promise.all(
      [one, two].map(async (env) => {
        const options = imagesType === "rbd" ? await rbdLifeOptions(env, {}, own) : own;
        return new LifeHost(imagesType, env, options);
      }),
    );
    if (!source || !target) throw new Error("two libvirts make two hosts");
    return new LiveHosts(source, target, one, two);
  }

  /** Lets the second host read what the first one has stored by now, as both would read from one Barbican. */
  async shareKeys(): Promise<void> {
    await this.target.on(async () => {});
    const { statePath } = this.source.temp;
    for (const name of readdirSync(statePath).filter((file) => file.startsWith("key"))) {
      copyFileSync(join(statePath, name), join(this.target.temp.statePath, name));
    }
  }

  /** Offers it there, and makes room for it here. */
  async prepare(uuid: string): Promise<MoveTarget> {
    await this.shareKeys();
    return await this.expect(await this.source.on((host) => offerLive(host, uuid, testContext())));
  }

  async expect(document: MoveDocument): Promise<MoveTarget> {
    // As it comes in a file.
    const read = await parseMove(JSON.parse(JSON.stringify(document)));
    return await this.target.on((host) => expectGuest(host, read, testContext()));
  }

  async send(target: MoveTarget, route: Partial<MigrationRoute> = {}, ctx = testContext()) {
    const read = await parseTarget(JSON.parse(JSON.stringify(target)));
    const way = { ...this.route, ...route };
    return await this.source.on((host) => sendGuest(host, read.uuid, read, way, ctx));
  }

  settle(uuid: string, receipt?: MoveReceipt): Promise<MoveReceipt> {
    return this.target.on((host) => settleGuest(host, uuid, given(receipt), testContext()));
  }

  dismiss(uuid: string, receipt?: MoveReceipt): Promise<MoveReceipt> {
    return this.target.on((host) => dismissGuest(host, uuid, given(receipt), testContext()));
  }

  confirm(uuid: string, receipt?: MoveReceipt): Promise<MoveReceipt> {
    return this.source.on((host) => confirmMove(host, uuid, given(receipt), testContext()));
  }

  revert(uuid: string, receipt?: MoveReceipt): Promise<MoveReceipt> {
    return this.source.on((host) => revertMove(host, uuid, given(receipt), testContext()));
  }

  /** The instance as the second host has it. */
  async there(uuid: string): Promise<InstanceRecord> {
    const found = await this.target.on(async (host) => host.inventory.instance(uuid));
    if (!found) throw new Error(`the second host has no instance ${uuid}`);
    return found;
  }
}

function given(receipt: MoveReceipt | undefined): { receipt?: MoveReceipt } {
  return receipt ? { receipt } : {};
}
