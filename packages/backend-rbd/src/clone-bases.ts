import { createHash, randomUUID } from "node:crypto";
import {
  type CacheEntry,
  type ImageDisk,
  type ImageFile,
  type ImageServices,
  type ImageSource,
  isLuksmithError,
  LuksmithError,
  openContent,
  type OpContext,
  type Rollback,
  type StorageBases,
} from "@luksmith/core";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import { FEATURES } from "./config.ts";
import { writeImage } from "./new-image.ts";

const PREFIX = "luksmith-base-";
/** The one of a base that clones are made of. */
const SNAPSHOT = "luksmith";
/** Somebody else may remove a base just when we want it, but hardly this often. */
const ATTEMPTS = 5;

/** What Ceph says of a base, sizes in bytes. */
interface Base {
  readonly id: string;
  readonly size: number;
  /** Its snapshot is there and protected: whatever has been cloned has all of it. */
  readonly sealed: boolean;
}

/** A plain disk to be made. */
export interface Clone {
  readonly disk: ImageDisk;
  readonly label: string;
  readonly image: ImageFile;
  /** The clone's own name. */
  readonly name: string;
}

/**
 * Plain images in the pool that plain disks are clones of, each made once for all hosts. Nothing encrypted is cloned: a clone has its
 * parent's header, and so its volume key (docs/adr). Ceph itself keeps a base that has clones.
 */
export class CloneBases implements StorageBases {
  readonly #cluster: RbdCluster;
  readonly #services: () => ImageServices;
  /** Bases that this process is making. */
  readonly #making = new Map<string, Promise<unknown>>();

  constructor(cluster: RbdCluster, services: () => ImageServices) {
    this.#cluster = cluster;
    this.#services = services;
  }

  /** The image to clone a disk of; undefined: the disk is filled. */
  imageFor({ encryption }: ImageDisk, source: ImageSource): ImageFile | undefined {
    const { cloneImages, layout } = this.#cluster.options;
    const layered = layout.features === undefined || (layout.features & FEATURES.layering) !== 0;
    if (!cloneImages || !layered || encryption || source.kind !== "image") return undefined;
    return source.image.encryption ? undefined : source.image;
  }

  /**
   * Makes a clone, and its base before that if it is not there.
   * @returns the clone's id; undefined: under the base's name is something else, and nothing was made
   */
  async clone(clone: Clone, undo: Rollback, ctx: OpContext): Promise<string | undefined> {
    const { disk, label, image, name } = clone;
    const base = PREFIX + createHash("sha1").update(image.id).digest("hex");
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = await this.#find(base, label, ctx);
      if (!found) {
        await this.#makeOnce(base, clone, undo, ctx);
        continue;
      }
      if (!found.sealed || BigInt(found.size) !== image.virtualSize) {
        ctx.log.warn({ base, image: image.id, disk: disk.uuid }, "no base of this image: the disk is filled");
        return undefined;
      }
      const what = `cloning ${label}`;
      const size = Number(disk.virtualSize);
      const args = { base, snapshot: SNAPSHOT, name, size, ...this.#cluster.newLayout };
      const { id } = await this.#cluster.call<{ id: string | null }>("clone", args, { what }, ctx);
      if (id !== null) return id;
    }
    throw new LuksmithError(
      "DiskNotFound",
      `${label}: its base ${this.#cluster.label}/${base} was removed again and again while it was cloned; try again`,
    );
  }

  async list(ctx: OpContext): Promise<readonly CacheEntry[]> {
    const what = `listing the bases in ${this.#cluster.label}`;
    const args = { prefix: PREFIX };
    const { bases } = await this.#cluster.call<{ bases: readonly Listed[] }>("bases", args, { what }, ctx);
    return bases
      .map(({ name, size, allocated, used, users }) => ({
        name,
        path: `${this.#cluster.label}/${name}`,
        bytes: size,
        allocatedBytes: allocated,
        lastUsed: new Date(used * 1000).toISOString(),
        usedBy: users.map((user) => `rbd:${user}`),
      }))
      .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  async remove({ name, path }: CacheEntry, ctx: OpContext): Promise<boolean> {
    try {
      const args = { name, id: null, patient: false };
      await this.#cluster.call("remove", args, { what: `removing ${path}`, timeoutMs: this.#longMs }, ctx);
      return true;
    } catch (error) {
      if (isLuksmithError(error) && error.code === "DiskInUse") return false;
      throw error;
    }
  }

  async #find(name: string, label: string, ctx: OpContext): Promise<Base | undefined> {
    const args = { name, snapshot: SNAPSHOT };
    const what = `looking for the base of ${label}`;
    const { base } = await this.#cluster.call<{ base: Base | null }>("base", args, { what }, ctx);
    return base ?? undefined;
  }

  /** Who comes second in this process waits, and looks again. */
  async #makeOnce(base: string, clone: Clone, undo: Rollback, ctx: OpContext): Promise<void> {
    const others = this.#making.get(base);
    if (others) return void (await others.catch(() => undefined));
    const made = this.#make(base, clone, undo, ctx);
    this.#making.set(base, made);
    try {
      await made;
    } finally {
      this.#making.delete(base);
    }
  }

  /** Under a random name, which is in the journal; it gets its own when it is whole and sealed. */
  async #make(base: string, { disk, label, image }: Clone, undo: Rollback, ctx: OpContext): Promise<void> {
    const services = this.#services();
    const name = `luksmith-partial-${randomUUID()}`;
    await undo.defer({ partial: name });
    await using opened = await openContent({ kind: "image", image }, disk, services, ctx);
    const path = `${this.#cluster.label}/${base}`;
    const place = { name, disk: { ...disk, virtualSize: image.virtualSize }, label, path, dataOffset: 0n };
    const made = { content: opened.content, writes: [], volumeKey: undefined };
    const id = await writeImage(this.#cluster, place, made, services.luks, ctx);
    const request = { what: `sealing ${path}` };
    await this.#cluster.call("seal", { name, id, snapshot: SNAPSHOT }, request, ctx);
    try {
      await this.#cluster.call("publish", { name, to: base, id }, { what: `naming ${path}` }, ctx);
      ctx.log.info({ base: path, image: image.id }, "made a base to clone disks of");
    } catch (error) {
      if (!isLuksmithError(error) || error.code !== "DiskExists") throw error;
      // Another host was faster; it is looked at like any other.
      const args = { name, id, patient: false };
      await this.#cluster.call("remove", args, { what: `removing ${name}`, timeoutMs: this.#longMs }, ctx);
    }
  }

  get #longMs(): number {
    return Math.max(this.#services().policy.commandTimeoutMs, 90_000);
  }
}

interface Listed {
  readonly name: string;
  readonly size: number;
  readonly allocated: number;
  /** Seconds since 1970. */
  readonly used: number;
  readonly users: readonly string[];
}
