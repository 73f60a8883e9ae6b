import { randomUUID } from "node:crypto";
import { GeneratedPassphrase, type Rollback, secretName } from "@luksmith/core";
import { createInstance, deleteById, parseRequest, type WritableHost } from "@luksmith/core/host";
import { benchContext, type HostPlaces, openBenchHost } from "./bench-host.ts";
import { type BenchImage, encryptedServer, makeImage } from "./encrypted-server.ts";

const WARM_UPS = 30;

/** The least content an instance's root disk can have: the rest of the disk is blank. */
const IMAGE_BYTES = 4096;

/** Undo without a journal. */
const forgetful: Rollback = { defer: async () => {} };

/** A host that has made some disks already: worker thread up, code compiled, key store open. */
export class WarmCreator implements AsyncDisposable {
  readonly #host: WritableHost;
  readonly #places: HostPlaces;
  readonly #image: BenchImage;
  readonly #diskBytes: number;

  private constructor(host: WritableHost, places: HostPlaces, diskBytes: number) {
    this.#host = host;
    this.#places = places;
    this.#image = makeImage(places.images, IMAGE_BYTES);
    this.#diskBytes = diskBytes;
  }

  static async start(root: string, diskBytes: number, warmUps = WARM_UPS): Promise<WarmCreator> {
    const { host, places } = await openBenchHost(root);
    const creator = new WarmCreator(host, places, diskBytes);
    for (let i = 0; i < warmUps; i++) {
      await creator.createImage();
      await creator.createInstance();
    }
    return creator;
  }

  get configFile(): string {
    return this.#places.configFile;
  }

  /** Another image for `createInstance`, of random bytes. */
  addImage(bytes: number): BenchImage {
    return makeImage(this.#places.images, bytes);
  }

  /**
   * `Image.create` of the raw backend, the passphrase being stored already; ms.
   * @param prepare whether its header may have been made in idle time
   */
  async createImage(prepare = true): Promise<number> {
    const services = await this.#host.services();
    const instanceUuid = randomUUID();
    const uuid = randomUUID();
    using passphrase = prepare ? services.luks.generatePassphrase() : GeneratedPassphrase.create();
    const name = secretName(instanceUuid, uuid);
    const { id: secretId } = await services.keys.create({ name, passphrase }, benchContext);
    const encryption = { format: "luks", secretId } as const;
    const virtualSize = BigInt(this.#diskBytes);
    const start = performance.now();
    const image = services.chosenBackend.image({ instanceUuid, name: "disk", uuid, virtualSize, encryption });
    await image.create({ source: { kind: "blank" }, passphrase }, forgetful, benchContext);
    return performance.now() - start;
  }

  /** A whole instance with one disk: plan, journal, secret, disk, inventory; ms. */
  async createInstance(image = this.#image): Promise<number> {
    const request = await parseRequest(encryptedServer(image, this.#diskBytes));
    const start = performance.now();
    await createInstance(this.#host, request, benchContext);
    return performance.now() - start;
  }

  /** The life of an instance: `createInstance`, then its removal with disk and secret. */
  async createAndDelete(): Promise<{ createMs: number; deleteMs: number }> {
    const request = await parseRequest(encryptedServer(this.#image, this.#diskBytes));
    const start = performance.now();
    await createInstance(this.#host, request, benchContext);
    const made = performance.now();
    await deleteById(this.#host, request.server.id, { forgetMissing: false }, benchContext);
    return { createMs: made - start, deleteMs: performance.now() - made };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host[Symbol.asyncDispose]();
  }
}
