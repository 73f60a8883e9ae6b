import { randomFillSync, randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  GeneratedPassphrase,
  type Image,
  type ImageBackend,
  type ImageSource,
  newFile,
  type Rollback,
  secretName,
} from "@luksmith/core";
import { type HostServices, loadConfig, WritableHost } from "@luksmith/core/host";
import { type FormattedContainer, LuksEngine } from "@luksmith/luks";
import { createImage, type ImagePlan, imageWrites, LUKS_AREA_BYTES, planImage } from "@luksmith/qcow2";
import { benchContext } from "./bench-host.ts";

const SECTOR = 512;
const WARM_UPS = 20;
const ITERATIONS = 1000;

/** Undo without a journal. */
const forgetful: Rollback = { defer: async () => {} };

/** A disk with the passphrase that opens it. The caller disposes the passphrase. */
export interface MadeDisk {
  readonly image: Image;
  readonly passphrase: GeneratedPassphrase;
  /** Of `Image.create`. */
  readonly ms: number;
}

export interface OverlayBytes {
  readonly writes: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
  /** Of the file. */
  readonly length: number;
}

/** A warm host that makes encrypted qcow2 disks, with one raw image in its cache, and blank raw ones as well. */
export class Qcow2Disks implements AsyncDisposable {
  readonly #root: string;
  readonly #host: WritableHost;
  readonly #services: HostServices;
  readonly #imageId: string;
  readonly #engine = new LuksEngine({ threads: 1 });
  #made = 0;

  private constructor(root: string, host: WritableHost, services: HostServices, imageId: string) {
    this.#root = root;
    this.#host = host;
    this.#services = services;
    this.#imageId = imageId;
  }

  static async start(root: string, virtualSize: bigint, imageBytes: number): Promise<Qcow2Disks> {
    const images = join(root, "images");
    mkdirSync(join(root, "instances"), { recursive: true });
    mkdirSync(images);
    const imageId = randomUUID();
    writeFileSync(join(images, imageId), randomFillSync(Buffer.alloc(imageBytes)));
    const configFile = join(root, "luksmith.conf");
    const lines = [
      `[DEFAULT]`,
      `instances_path = ${join(root, "instances")}`,
      `[libvirt]`,
      `images_type = qcow2`,
      `[luksmith]`,
      `plugins = @luksmith/backend-qcow2, @luksmith/backend-raw, @luksmith/keymgr-local`,
      `state_path = ${join(root, "state")}`,
      `images_path = ${images}`,
    ];
    writeFileSync(configFile, `${lines.join("\n")}\n`);
    const config = await loadConfig({ files: [configFile] });
    const options = { importModule: (name: string) => import(name), command: "bench" };
    const host = await WritableHost.write(config, options, benchContext);
    const disks = new Qcow2Disks(root, host, await host.services(), imageId);
    for (let i = 0; i < WARM_UPS; i++) {
      for (const kind of ["blank", "overlay"] as const) {
        const { passphrase } = await disks.make(kind, virtualSize);
        passphrase[Symbol.dispose]();
      }
    }
    return disks;
  }

  /**
   * `Image.create` of a disk, the passphrase being stored already.
   * @param prepare whether its header may have been made in idle time
   */
  make(kind: "blank" | "overlay", virtualSize: bigint, prepare = true): Promise<MadeDisk> {
    return this.#make(this.#services.chosenBackend, kind, virtualSize, prepare);
  }

  /** The same with a blank disk in a raw file. */
  makeRaw(virtualSize: bigint): Promise<MadeDisk> {
    return this.#make(this.#services.backend("raw"), "blank", virtualSize, true);
  }

  async #make(
    backend: ImageBackend,
    kind: "blank" | "overlay",
    virtualSize: bigint,
    prepare: boolean,
  ): Promise<MadeDisk> {
    const [instanceUuid, uuid] = [randomUUID(), randomUUID()];
    const passphrase = prepare ? this.#services.luks.generatePassphrase() : GeneratedPassphrase.create();
    const name = secretName(instanceUuid, uuid);
    const { id: secretId } = await this.#services.keys.create({ name, passphrase }, benchContext);
    const encryption = { format: "luks", secretId } as const;
    const disk = { instanceUuid, name: "disk", uuid, virtualSize, encryption };
    await using stack = new AsyncDisposableStack();
    const source = kind === "blank" ? ({ kind } as const) : await this.#imageSource(stack);
    const start = performance.now();
    const image = backend.image(disk);
    await image.create({ source, passphrase }, forgetful, benchContext);
    return { image, passphrase, ms: performance.now() - start };
  }

  /**
   * The same overlay with a header that was made before: base, names, bytes and syncs, without the key derivation and
   * the proof; ms.
   */
  async writeOverlay(virtualSize: bigint): Promise<number> {
    const container = await this.#container();
    await using stack = new AsyncDisposableStack();
    const source = await this.#imageSource(stack);
    const start = performance.now();
    using base = await this.#services.cache.image(source.image, { raw: true }, benchContext);
    await using file = await newFile(this.#path(), forgetful, { makeDirectories: true });
    await createImage(file.handle, overlayPlan(base.path, virtualSize), container);
    await file.publish();
    return performance.now() - start;
  }

  /** The bytes of an overlay, and where they go in its file. */
  async overlayBytes(virtualSize: bigint): Promise<OverlayBytes> {
    const plan = overlayPlan(join(this.#root, "instances", "_base", "0".repeat(40)), virtualSize);
    const writes = imageWrites(plan, await this.#container());
    return { writes, length: Number(plan.fileLength) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
    await this.#engine[Symbol.asyncDispose]();
  }

  async #container(): Promise<FormattedContainer> {
    using passphrase = GeneratedPassphrase.create();
    const payloadOffset = LUKS_AREA_BYTES / SECTOR;
    return await this.#engine.format({
      uuid: randomUUID(),
      payloadOffset,
      passphrase,
      iterations: ITERATIONS,
    });
  }

  async #imageSource(stack: AsyncDisposableStack): Promise<Extract<ImageSource, { kind: "image" }>> {
    const declared = { id: this.#imageId, disk_format: "raw" };
    return {
      kind: "image",
      image: stack.use(await this.#services.images.open(this.#imageId, declared, benchContext)),
    };
  }

  #path(): string {
    return join(this.#root, "instances", `written-${this.#made++}`, "disk");
  }
}

function overlayPlan(file: string, virtualSize: bigint): ImagePlan {
  return planImage({ virtualSize, backing: { file, format: "raw" }, luks: {} });
}
