import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type OpenStack, startOpenStack } from "../../testing/services/src/index.ts";
import type { DemoHostOptions } from "./host.ts";
import { check, say } from "./report.ts";
import { must } from "./shell.ts";

/** A request as the demo changes it. */
export interface DemoRequest {
  readonly server: Record<string, unknown> & { readonly id: string };
  readonly image: Record<string, unknown> & { readonly id: string; readonly size: number };
}

const PLUGINS = ["backend-raw", "backend-qcow2", "keymgr-barbican", "images-glance", "traits-placement"];

/** Real Keystone, Barbican, Placement and Glance on this machine, a user with an image in it, and a compute host. */
export class DemoCloud implements AsyncDisposable {
  readonly #openstack: OpenStack & AsyncDisposable;
  readonly #provider = `demo-${randomUUID()}`;

  private constructor(openstack: OpenStack & AsyncDisposable) {
    this.#openstack = openstack;
  }

  static async start(): Promise<DemoCloud> {
    const openstack = await startOpenStack({ services: ["barbican", "placement", "glance"] });
    const cloud = new DemoCloud(openstack);
    await openstack.createResourceProvider(cloud.#provider);
    return cloud;
  }

  /** The request as the user alice would have sent it: her project, an image that she uploaded. */
  async adopt(request: DemoRequest, imagePath: string, folder: string): Promise<string> {
    const image = (await this.#openstack.uploadImage({ user: "alice", path: imagePath, name: "demo" })) as {
      readonly id: string;
    };
    const { projectId, id } = this.#openstack.user("alice");
    const server = { ...request.server, tenant_id: projectId, user_id: id, image: { id: image.id } };
    const path = join(folder, "request.json");
    writeFileSync(path, JSON.stringify({ ...request, server, image: { ...request.image, ...image } }));
    say(`OpenStack alice's image ${image.id} is in Glance; host ${this.#provider} is in Placement`);
    return path;
  }

  /** The agent's configuration on the compute host, and alice's environment. */
  hostOptions(): DemoHostOptions {
    const { keystone } = this.#openstack.urls;
    const agent = this.#openstack.user("hostadmin");
    const account = [
      `auth_url = ${keystone}`,
      "auth_type = password",
      `username = ${agent.name}`,
      `password = ${agent.password}`,
      `project_name = ${agent.project}`,
      "user_domain_id = default",
      "project_domain_id = default",
      "region_name = RegionOne",
    ];
    return {
      luksmith: `plugins = ${PLUGINS.map((name) => `@luksmith/${name}`).join(", ")}`,
      sections: [
        "[barbican]",
        `auth_endpoint = ${keystone}`,
        "barbican_region_name = RegionOne",
        "[glance]",
        "region_name = RegionOne",
        "[placement]",
        ...account,
        "[luksmith:traits-placement]",
        `resource_provider = ${this.#provider}`,
        "",
      ].join("\n"),
      env: this.#openstack.environmentFor("alice"),
    };
  }

  /** The user's own client sees the passphrase as hers. */
  checkSecret(id: string, passphrase: Buffer): void {
    const url = `${this.#openstack.urls.barbican}/v1/secrets/${id}`;
    const env = this.#openstack.environmentFor("alice");
    const show = (...args: readonly string[]) =>
      must("openstack", ["secret", "get", url, ...args, "-f", "value"], { env })
        .toString()
        .trim();
    const type = show("-c", "Name", "-c", "Secret type", "-c", "Status");
    check(`openstack secret get: ${type.replaceAll("\n", ", ")}`, type.includes("passphrase"));
    check("its payload is the passphrase that opened the disk", show("--payload") === passphrase.toString());
  }

  async checkSecretsGone(): Promise<void> {
    const left = await this.#openstack.listSecrets("alice");
    check("deleted: no secret is left in alice's project", left.length === 0);
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    return this.#openstack[Symbol.asyncDispose]();
  }
}
