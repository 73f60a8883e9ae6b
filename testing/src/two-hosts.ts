import { adoptGuest, type MoveDocument, offerGuest, parseMove } from "@luksmith/core/host";
import { type OwnLibvirt, sharedOpenStack, startLibvirt } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import type { ImagesType } from "./cache-host.ts";
import { LifeHost } from "./life-host.ts";
import { barbicanPlugins, contextOf } from "./openstack/openstack-host.ts";
import { rbdLifeOptions } from "./rbd-host.ts";
import type { TestContext } from "./workspace.ts";

/** Two agents, each with a libvirt, a state directory and disks of its own; they share a Barbican. */
export class TwoHosts {
  readonly source: LifeHost;
  readonly target: LifeHost;
  readonly sourceEnv: OwnLibvirt;
  readonly targetEnv: OwnLibvirt;
  readonly alice: TestContext;

  private constructor(
    source: LifeHost,
    target: LifeHost,
    [sourceEnv, targetEnv]: readonly [OwnLibvirt, OwnLibvirt],
    alice: TestContext,
  ) {
    this.source = source;
    this.target = target;
    this.sourceEnv = sourceEnv;
    this.targetEnv = targetEnv;
    this.alice = alice;
  }

  /** @param shared `sharedDisks`: both have their disks in one directory, as on NFS */
  static async create(
    imagesType: ImagesType | "rbd",
    { sharedDisks = false }: { readonly sharedDisks?: boolean } = {},
  ): Promise<TwoHosts> {
    const openstack = await sharedOpenStack();
    const alice = await contextOf(openstack, "alice");
    const [one, two] = await Promise.all([startLibvirt(), startLibvirt()]);
    onTestFinished(async () => {
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    });
    const { plugins, sections } = barbicanPlugins(openstack);
    const options = {
      keyPlugins: [...plugins, "@luksmith/keymgr-local/host-copies"],
      sections,
      luksmith: ["secret_security = host"],
      ctx: alice,
    };
    if (imagesType === "rbd") {
      const [here, there] = await Promise.all([one, two].map((env) => rbdLifeOptions(env, {}, options)));
      return new TwoHosts(new LifeHost("rbd", one, here), new LifeHost("rbd", two, there), [one, two], alice);
    }
    const source = new LifeHost(imagesType, one, options);
    const same = ["[DEFAULT]", `instances_path = ${source.temp.instancesPath}`];
    const there = sharedDisks ? { ...options, sections: [...sections, ...same] } : options;
    return new TwoHosts(source, new LifeHost(imagesType, two, there), [one, two], alice);
  }

  offer(uuid: string): Promise<MoveDocument> {
    return this.source.on((host) => offerGuest(host, uuid, this.alice), this.alice);
  }

  async adopt(document: MoveDocument, options: { start: boolean; from?: string } = { start: true }) {
    // As it comes in a file.
    const read = await parseMove(JSON.parse(JSON.stringify(document)));
    return this.target.on((host) => adoptGuest(host, read, options, this.alice), this.alice);
  }
}
