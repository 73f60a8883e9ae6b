import { randomUUID } from "node:crypto";
import { mkdirSync, openSync, closeSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageSource, Rollback } from "@luksmith/core";
import { secretName } from "@luksmith/core";
import { loadConfig, WritableHost } from "@luksmith/core/host";
import type { CephEnv } from "@luksmith/testing-services";
import { benchContext } from "./bench-host.ts";

/** Undo without a journal. */
const forgetful: Rollback = { defer: async () => {} };

/** A disk that was made, and how long that took. */
export interface TimedDisk {
  readonly ms: number;
  /** Its image in the pool. */
  readonly image: string;
  /** For the programs we compare with. */
  readonly secret: Uint8Array;
}

/** A warm host with its disks in a cluster. */
export class RbdCreator implements AsyncDisposable {
  readonly #host: WritableHost;

  private constructor(host: WritableHost) {
    this.#host = host;
  }

  static async start(root: string, ceph: CephEnv): Promise<RbdCreator> {
    mkdirSync(root, { recursive: true });
    const file = join(root, "luksmith.conf");
    const lines = [
      "[DEFAULT]",
      `instances_path = ${join(root, "instances")}`,
      "[libvirt]",
      "images_type = rbd",
      `images_rbd_pool = ${ceph.pool}`,
      `images_rbd_ceph_conf = ${ceph.conf}`,
      `rbd_user = ${ceph.user}`,
      "[luksmith]",
      "plugins = @luksmith/backend-rbd, @luksmith/keymgr-local",
      `state_path = ${join(root, "state")}`,
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
    const options = { importModule: (name: string) => import(name), command: "bench" };
    const config = await loadConfig({ files: [file] });
    return new RbdCreator(await WritableHost.write(config, options, benchContext));
  }

  /** `Image.create`, the passphrase being stored already. */
  async create(virtualSize: bigint, source: ImageSource = { kind: "blank" }): Promise<TimedDisk> {
    const services = await this.#host.services();
    const [instanceUuid, uuid] = [randomUUID(), randomUUID()];
    using passphrase = services.luks.generatePassphrase();
    const request = { name: secretName(instanceUuid, uuid), passphrase };
    const { id: secretId } = await services.keys.create(request, benchContext);
    const encryption = { format: "luks", secretId } as const;
    const secret = passphrase.use((bytes) => Uint8Array.from(bytes));
    const start = performance.now();
    const image = services.chosenBackend.image({ instanceUuid, name: "disk", uuid, virtualSize, encryption });
    await image.create({ source, passphrase }, forgetful, benchContext);
    return { ms: performance.now() - start, image: `${instanceUuid}_disk`, secret };
  }

  /** As `create`, filled from a raw file. */
  async fill(path: string): Promise<TimedDisk> {
    const fd = openSync(path, "r");
    try {
      const size = BigInt(statSync(path).size);
      const file = { id: randomUUID(), format: "raw", path, fd, size, virtualSize: size } as const;
      const image = { ...file, [Symbol.asyncDispose]: async () => {} };
      return await this.create(size, { kind: "image", image });
    } finally {
      closeSync(fd);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }
}
