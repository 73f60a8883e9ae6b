import { randomUUID } from "node:crypto";
import { copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import {
  createInstance,
  deleteById,
  findDiscrepancies,
  findInstance,
  type GcReport,
  type InstanceRecord,
  reconcile,
} from "@luksmith/core/host";
import { type CephEnv, FaultProxy, faults, type OpenStack } from "@luksmith/testing-services";
import { onTestFinished } from "vitest";
import type { LifeHost } from "../life-host.ts";
import { contextWith } from "../openstack/openstack-host.ts";
import type { TempHost } from "../temp-host.ts";
import type { TestContext } from "../workspace.ts";

export type DiskRecord = InstanceRecord["disks"][number];
export type Storage = "raw" | "qcow2" | "rbd";

/** A place of a project's own in a shared Barbican, seen through a proxy that can swallow deletions. */
export interface Vault {
  readonly projectId: string;
  readonly proxy: FaultProxy;
  readonly ctx: () => Promise<TestContext>;
  /** Secrets whose deletion Barbican seems to have carried out, and did not: as after it was restored from a backup. */
  readonly restored: Set<string>;
  /** Secrets whose deletion fails. */
  readonly stuck: Set<string>;
  readonly call: (method: string, path: string, json?: unknown) => Promise<Response>;
  /** Payloads by id. */
  readonly payloads: () => Promise<ReadonlyMap<string, string>>;
}

export async function openVault(openstack: OpenStack): Promise<Vault> {
  const project = await openstack.createProject(`gc-${randomUUID()}`, { alice: ["member", "creator"] });
  const token = () => openstack.issueToken("alice", { scope: { project: project.name } });
  const proxy = await FaultProxy.start(openstack.urls.barbican);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  const restored = new Set<string>();
  const stuck = new Set<string>();
  proxy.on(({ method, path }) => {
    const id = /^\/v1\/secrets\/([0-9a-f-]{36})$/u.exec(path)?.[1] ?? "";
    if (method !== "DELETE") return undefined;
    if (stuck.has(id)) return faults.status(500, "{}");
    return restored.has(id) ? faults.status(204) : undefined;
  });
  const call = async (method: string, path: string, json?: unknown): Promise<Response> => {
    const headers = { "x-auth-token": await token(), accept: "*/*", "content-type": "application/json" };
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    return await fetch(`${openstack.urls.barbican}${path}`, { method, headers, ...body });
  };
  return {
    projectId: project.id,
    proxy,
    ctx: async () => contextWith(await token()),
    restored,
    stuck,
    call,
    payloads: async () => {
      const listed = (await (await call("GET", "/v1/secrets?limit=100")).json()) as {
        readonly secrets: readonly { readonly secret_ref: string }[];
        readonly total: number;
      };
      if (listed.total > listed.secrets.length) throw new Error("a second page is not looked at");
      const ids = listed.secrets.map(({ secret_ref }) => secret_ref.split("/").at(-1) ?? "");
      const found = new Map<string, string>();
      for (const id of ids) found.set(id, await (await call("GET", `/v1/secrets/${id}/payload`)).text());
      return found;
    },
  };
}

/** A host with disks in files and in a namespace of a cluster of its own, keys in Barbican with copies here, and guests. */
export class GcHost {
  readonly life: LifeHost;
  readonly vault: Vault;
  readonly ceph: CephEnv;
  readonly namespace: string;
  readonly image: string;

  constructor(life: LifeHost, vault: Vault, ceph: CephEnv, namespace: string) {
    this.life = life;
    this.vault = vault;
    this.ceph = ceph;
    this.namespace = namespace;
    this.image = this.temp.addImage(1 << 20);
  }

  get temp(): TempHost {
    return this.life.temp;
  }

  /** New disks are made there. */
  use(storage: Storage): void {
    const text = readFileSync(this.temp.configFile, "utf8");
    writeFileSync(this.temp.configFile, text.replace(/images_type = \w+/u, `images_type = ${storage}`));
  }

  /** Makes instances of one disk each, on what is used now. */
  async make(count: number): Promise<readonly (InstanceRecord & { readonly disk: DiskRecord })[]> {
    const ctx = await this.vault.ctx();
    const made: (InstanceRecord & { readonly disk: DiskRecord })[] = [];
    await using host = await this.temp.write(ctx);
    for (let i = 0; i < count; i++) {
      const request = await this.temp.request(this.image, {});
      const instance = await createInstance(host, request, ctx);
      const [disk] = instance.disks;
      if (!disk) throw new Error("an instance without a disk");
      made.push({ ...instance, disk });
    }
    return made;
  }

  async delete(uuids: readonly string[], forgetMissing = false): Promise<void> {
    const ctx = await this.vault.ctx();
    await using host = await this.temp.write(ctx);
    for (const uuid of uuids) await deleteById(host, uuid, { forgetMissing }, ctx);
  }

  async instance(uuid: string): Promise<InstanceRecord> {
    return await this.life.on((host) => findInstance(host, uuid), await this.vault.ctx());
  }

  /** @param grown what is younger than this moment is left alone */
  async look(grown: number): Promise<GcReport> {
    const ctx = await this.vault.ctx();
    await using host = await this.temp.read();
    return await findDiscrepancies(host, { graceSeconds: (Date.now() - grown) / 1000 }, ctx);
  }

  /** As `look`. */
  async apply(grown: number): ReturnType<typeof reconcile> {
    const ctx = await this.vault.ctx();
    await using host = await this.temp.write(ctx);
    return await reconcile(host, { graceSeconds: (Date.now() - grown) / 1000 }, ctx);
  }

  /** `rbd` on images of the namespace, by their names. */
  async rbd(command: readonly string[], ...images: readonly string[]): Promise<string> {
    return await this.ceph.rbd([...command, ...images.map((name) => this.spec(name))]);
  }

  /** @param name "": of all */
  spec(name: string): string {
    return [this.ceph.pool, this.namespace, ...(name === "" ? [] : [name])].join("/");
  }

  /** As somebody does who knows nothing of Luksmith. */
  async remove(storage: Storage, path: string): Promise<void> {
    if (storage === "rbd") await this.rbd(["rm", "--no-progress"], nameOf(path));
    else rmSync(path);
  }

  async rename(storage: Storage, path: string, to: string): Promise<void> {
    if (storage === "rbd") await this.rbd(["rename"], nameOf(path), nameOf(to));
    else renameSync(path, to);
  }

  async copy(storage: Storage, path: string, to: string): Promise<void> {
    if (storage === "rbd") await this.rbd(["cp", "--no-progress"], nameOf(path), nameOf(to));
    else copyFileSync(path, to);
  }

  /** Something that is no disk of ours, under that name. */
  async occupy(storage: Storage, path: string): Promise<void> {
    if (storage === "rbd") await this.rbd(["create", "--size", "1M"], nameOf(path));
    else writeFileSync(path, "somebody else's".repeat(1000));
  }

  /** The file of copies, with its rows. */
  copies(): DatabaseSync {
    return new DatabaseSync(join(this.temp.statePath, "host-copies.sqlite"));
  }
}

function nameOf(path: string): string {
  return path.split("/").at(-1) ?? "";
}
