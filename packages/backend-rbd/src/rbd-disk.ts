import {
  type DiskIdentity,
  type DiskSource,
  type Disposal,
  Image,
  type ImageDisk,
  type ImageServices,
  isLuksmithError,
  LuksmithError,
  type OpContext,
} from "@luksmith/core";
import { RBD_CAPABILITIES } from "./capabilities.ts";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import { DATA_OFFSET } from "./config.ts";
import { rbdSource } from "./rbd-source.ts";

const SECTOR = 512;

/** What Ceph says of an image, sizes in bytes. */
interface Look {
  readonly id: string;
  readonly size: number;
  readonly snapshots: readonly string[];
  readonly watchers: readonly string[];
  readonly children: readonly string[];
}

/** What there is of a disk in Ceph, and what may be done with it; changes nothing but snapshots. */
export abstract class RbdDisk extends Image {
  readonly path: string;
  protected readonly capabilities = RBD_CAPABILITIES;
  protected override readonly payloadOffset = DATA_OFFSET / SECTOR;
  protected readonly cluster: RbdCluster;
  /** Of the image. */
  protected readonly name: string;

  constructor(cluster: RbdCluster, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    this.cluster = cluster;
    this.name = nameOf(disk);
    this.path = `${cluster.label}/${this.name}`;
  }

  source(): DiskSource {
    return rbdSource(this.cluster.options, this.name, this.disk.encryption !== undefined);
  }

  async identify(ctx: OpContext): Promise<DiskIdentity | undefined> {
    const { id } = await this.call<{ id: string | null }>(
      "identify",
      { name: this.name },
      "looking for",
      ctx,
    );
    return id === null ? undefined : { image: id };
  }

  override get disposal(): Disposal {
    return {
      how: "the image was removed with its snapshots, in Ceph's trash too",
      elsewhere: [
        "images that were mirrored, exported or copied to another cluster or pool, and clones that were flattened",
        "replicas on OSDs that are out of the cluster, and cells of flash devices that were replaced",
      ],
    };
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return this.dataOffset + contentBytes;
  }

  async spaceFree(ctx: OpContext): Promise<bigint | undefined> {
    const { free } = await this.call<{ free: number | null }>("space", {}, "looking for space for", ctx);
    return free === null ? undefined : BigInt(free);
  }

  async actualSize(ctx: OpContext): Promise<bigint> {
    return BigInt((await this.look(ctx)).size) - this.dataOffset;
  }

  /** Also clones of its snapshots: without it they would be lost. */
  protected async holders(ctx: OpContext): Promise<readonly string[]> {
    try {
      const { watchers, children } = await this.look(ctx);
      return [
        ...watchers.map((address) => `a client at ${address}`),
        ...children.map((child) => `the clone ${child}`),
      ];
    } catch (error) {
      if (isLuksmithError(error) && error.code === "DiskNotFound") return [];
      throw error;
    }
  }

  protected override async headerCopies(ctx: OpContext): Promise<readonly string[]> {
    return (await this.look(ctx)).snapshots;
  }

  protected override async removeHeaderCopies(ctx: OpContext, expected?: DiskIdentity): Promise<void> {
    const args = { name: this.name, id: expected?.["image"] ?? null };
    await this.long("strip", args, "removing snapshots of", ctx);
  }

  protected look(ctx: OpContext): Promise<Look> {
    return this.call<Look>("look", { name: this.name }, "looking at", ctx);
  }

  protected call<T>(
    op: string,
    args: Readonly<Record<string, unknown>>,
    doing: string,
    ctx: OpContext,
  ): Promise<T> {
    return this.cluster.call<T>(op, args, { what: `${doing} ${this.label}` }, ctx);
  }

  /** What goes through all objects of an image may take as long as any command. */
  protected long<T>(
    op: string,
    args: Readonly<Record<string, unknown>>,
    doing: string,
    ctx: OpContext,
  ): Promise<T> {
    const request = { what: `${doing} ${this.label}`, timeoutMs: this.longMs };
    return this.cluster.call<T>(op, args, request, ctx);
  }

  protected get longMs(): number {
    return Math.max(this.services.policy.commandTimeoutMs, 90_000);
  }

  protected replaced(): LuksmithError {
    const message = `${this.path} is another image than it was; nothing was touched`;
    return new LuksmithError("DiskReplaced", message, { details: { path: this.path } });
  }

  protected exists(cause?: unknown): LuksmithError {
    const message = `${this.path} exists already and was not touched; remove or rename that image`;
    return new LuksmithError("DiskExists", message, { cause, details: { path: this.path } });
  }

  /** Bytes before the guest's first. */
  protected get dataOffset(): bigint {
    return this.disk.encryption ? BigInt(DATA_OFFSET) : 0n;
  }
}

/** As Nova names it. */
export function nameOf({ instanceUuid, name }: ImageDisk): string {
  return `${instanceUuid}_${name}`;
}
