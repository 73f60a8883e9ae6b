import {
  type BackendCapabilities,
  type DiskIdentity,
  type DiskSource,
  type HeaderStore,
  Image,
  type ImageDisk,
  type ImageServices,
} from "@luksmith/core";

/** Bytes in memory, as a header store. */
export class MemoryStore implements HeaderStore {
  readonly #area: Buffer;

  /** Writes into `area`. */
  constructor(area: Buffer) {
    this.#area = area;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return Uint8Array.from(this.#area.subarray(offset, offset + length));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#area.set(bytes, offset);
  }

  async sync(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A disk of which there is nothing but its header: what the base class writes, in any geometry, without storage. */
export class MemoryImage extends Image {
  readonly path = "memory";
  protected readonly capabilities: BackendCapabilities = {
    formats: ["raw"],
    encryption: ["luks"],
    resize: false,
    snapshot: [],
    overlays: false,
  };
  protected override readonly payloadOffset: number;
  readonly #store: () => HeaderStore;

  constructor(store: () => HeaderStore, payloadOffset: number, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.#store = store;
    this.payloadOffset = payloadOffset;
  }

  source(): DiskSource {
    return { type: "file", file: this.path, format: "raw" };
  }

  async identify(): Promise<DiskIdentity> {
    return { memory: this.disk.uuid };
  }

  spaceNeeded(): bigint {
    return 0n;
  }

  async spaceFree(): Promise<undefined> {}

  async actualSize(): Promise<bigint> {
    return this.disk.virtualSize;
  }

  protected async header(): Promise<HeaderStore> {
    return this.#store();
  }

  protected async allocate(): Promise<void> {}
  protected async grow(): Promise<void> {}
  protected async destroy(): Promise<void> {}
  protected async undoMade(): Promise<void> {}

  protected async holders(): Promise<readonly string[]> {
    return [];
  }

  protected async exportTo(): Promise<DiskIdentity> {
    return this.identify();
  }
}
