import { createHash, randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Image, ImageServices, Passphrase } from "@luksmith/core";
import { type CephEnv, sharedCeph } from "@luksmith/testing-services";
import type { ImageBackendFixture } from "@luksmith/testkit";
import {
  qemuDecrypt,
  type QemuRbd,
  qemuRbdDecrypt,
  qemuRbdIo,
  qemuRbdOpens,
  treeOf,
} from "../../../testing/src/index.ts";
import { rbdBackend, type RbdOptions } from "../src/index.ts";

const MIB = 1024 * 1024;

export function optionsFor(ceph: CephEnv, changes: Partial<RbdOptions> = {}): RbdOptions {
  return {
    pool: ceph.pool,
    namespace: "",
    conf: ceph.conf,
    user: ceph.user,
    secretUuid: undefined,
    engine: "qemu",
    cloneImages: true,
    layout: {
      order: 22,
      features: undefined,
      stripeUnit: undefined,
      stripeCount: undefined,
      dataPool: undefined,
    },
    connectTimeoutMs: 30_000,
    operationTimeoutMs: 60_000,
    python: "/usr/bin/python3",
    ...changes,
  };
}

/** A namespace of the shared cluster, seen by the `rbd` and `rados` programs and by QEMU with both of its engines. */
export class RbdFixture implements ImageBackendFixture {
  readonly ceph: CephEnv;
  readonly namespace = `t-${randomUUID()}`;
  readonly backend: ImageBackendFixture["backend"] & AsyncDisposable;
  readonly #scratch = mkdtempSync(join(tmpdir(), "luksmith-rbd-test-"));
  readonly #targets = join(this.#scratch, "snapshots");

  private constructor(ceph: CephEnv, services: ImageServices, changes: Partial<RbdOptions>) {
    this.ceph = ceph;
    mkdirSync(this.#targets);
    this.backend = rbdBackend(optionsFor(ceph, { namespace: this.namespace, ...changes }), () => services);
  }

  static async open(services: ImageServices, changes: Partial<RbdOptions> = {}): Promise<RbdFixture> {
    const fixture = new RbdFixture(await sharedCeph(), services, changes);
    const { ceph, namespace } = fixture;
    await ceph.rbd(["namespace", "create", `${ceph.pool}/${namespace}`]);
    return fixture;
  }

  /** `POOL/NAMESPACE/IMAGE` */
  spec(image: Image): string {
    return `${this.ceph.pool}/${this.namespace}/${nameOf(image)}`;
  }

  qemu(image: Image, passphrase?: Passphrase, engine: "qemu" | "librbd" = "qemu"): QemuRbd {
    const { ceph, namespace } = this;
    return { ceph, namespace, image: nameOf(image), passphrase, engine };
  }

  /** Every object's name, every image's bytes, and what snapshots were written; not the bases of clones, which are a cache. */
  async contents(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>(await treeOf(this.#targets));
    for (const name of await this.objects()) {
      found.set(name, "an object");
      if (!name.startsWith("rbd_id.")) continue;
      const bytes = await this.ceph.bytes(
        `${this.ceph.pool}/${this.namespace}/${name.slice("rbd_id.".length)}`,
      );
      found.set(name, createHash("sha256").update(bytes).digest("hex"));
    }
    return found;
  }

  /** All objects but those of bases. */
  async objects(): Promise<readonly string[]> {
    const all = await this.ceph.objects(this.namespace);
    const ids: string[] = [];
    for (const name of all.filter((each) => each.startsWith("rbd_id.luksmith-base-"))) {
      const spec = `${this.ceph.pool}/${this.namespace}/${name.slice("rbd_id.".length)}`;
      ids.push((JSON.parse(await this.ceph.rbd(["info", "--format", "json", spec])) as { id: string }).id);
    }
    return all.filter(
      (name) => !name.startsWith("rbd_id.luksmith-base-") && !ids.includes(name.split(".")[1] ?? ""),
    );
  }

  rawBytes(image: Image): Promise<Uint8Array> {
    return this.ceph.bytes(this.spec(image));
  }

  async damage(image: Image, offset: number, bytes: Uint8Array): Promise<void> {
    await this.#write(this.qemu(image), offset, bytes);
  }

  async replace(image: Image): Promise<void> {
    const spec = this.spec(image);
    if ((await this.ceph.objects(this.namespace)).includes(`rbd_id.${nameOf(image)}`)) {
      await this.ceph.rbd(["rm", "--no-progress", spec]);
    }
    const other = this.#scratchFile(Buffer.alloc(MIB, "somebody else's"));
    await this.ceph.rbd(["import", "--no-progress", other, spec]);
  }

  readonly oracle: ImageBackendFixture["oracle"] = {
    opens: async (image, passphrase) => {
      const answers = [
        await qemuRbdOpens(this.qemu(image, passphrase)),
        await qemuRbdOpens(this.qemu(image, passphrase, "librbd")),
      ];
      if (answers[0] !== answers[1]) throw new Error(`QEMU and librbd disagree: ${answers.join(", ")}`);
      return answers[0] ?? false;
    },
    read: async (image, passphrase) => {
      const plain = join(this.#scratch, randomUUID());
      await qemuRbdDecrypt(this.qemu(image, passphrase), plain);
      return readFileSync(plain);
    },
    write: (image, passphrase, offset, bytes) => this.#write(this.qemu(image, passphrase), offset, bytes),
  };

  readonly snapshots: NonNullable<ImageBackendFixture["snapshots"]> = {
    target: () => join(this.#targets, randomUUID()),
    read: async (path, format, passphrase) => {
      const plain = join(this.#scratch, randomUUID());
      await qemuDecrypt({ path, format, passphrase }, plain);
      return readFileSync(plain);
    },
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.backend[Symbol.asyncDispose]();
    rmSync(this.#scratch, { recursive: true, force: true });
  }

  async #write(disk: QemuRbd, offset: number, bytes: Uint8Array): Promise<void> {
    await qemuRbdIo(disk, [`write -s ${this.#scratchFile(bytes)} ${offset} ${bytes.length}`]);
  }

  #scratchFile(bytes: Uint8Array): string {
    const path = join(this.#scratch, randomUUID());
    writeFileSync(path, bytes);
    return path;
  }
}

function nameOf({ path }: Image): string {
  return path.split("/").at(-1) ?? "";
}
