import { dirname, join } from "node:path";
import {
  type AllocateImage,
  type BackingSource,
  type DiskIdentity,
  type DiskSource,
  FileImage,
  type HeaderStore,
  type ImageDisk,
  type ImageSource,
  LuksmithError,
  makeFilesystem,
  type NewFile,
  newFile,
  type OpContext,
  type OpenContent,
  type OpenParts,
  operationError,
  type OverlayHooks,
  preallocate,
  type Rollback,
  type SnapshotTarget,
  type StoredPayload,
  type UnlockedDisk,
  type VerifyCheck,
  type VerifyReport,
} from "@luksmith/core";
import { inspectNewBase, requireBase } from "./base.ts";
import { QCOW2_CAPABILITIES } from "./capabilities.ts";
import { exportQcow2, makeTarget } from "./export-qcow2.ts";
import {
  createImage,
  grow,
  LUKS_AREA_BYTES,
  makeTwin,
  planImage,
  type PlanRequest,
  type Qcow2File,
  spaceNeeded,
} from "@luksmith/qcow2";
import { openHeader } from "./open-header.ts";
import { openClusters } from "./open-clusters.ts";
import { storedClusters } from "./stored-clusters.ts";
import { Qcow2Overlay } from "./overlay.ts";
import { driverOf, type Unlocked } from "./qemu-options.ts";
import { requireWhole } from "./require-whole.ts";
import { withImage } from "./with-image.ts";

const SECTOR = 512;

/**
 * A disk in a qcow2 file, encrypted cluster by cluster, the LUKS header in an area of its own. The root disk and formatted
 * disks are overlays on cached bases: made without copying anything.
 */
export class Qcow2Image extends FileImage {
  protected readonly capabilities = QCOW2_CAPABILITIES;
  protected override readonly payloadOffset = LUKS_AREA_BYTES / SECTOR;
  /** What the disk stands on, as recorded, or as this object left it. */
  #backing: BackingSource | undefined = this.disk.backing;

  source(): DiskSource {
    const backing = this.#backing;
    return { type: "file", file: this.path, format: "qcow2", ...(backing ? { backing } : {}) };
  }

  /** @param contentBytes what a new overlay holds is none: its base is counted apart */
  spaceNeeded(contentBytes: bigint): bigint {
    const { policy } = this.services;
    const content = policy.preallocate === "space" ? this.disk.virtualSize : contentBytes;
    return spaceNeeded(planImage(this.planRequest()), content);
  }

  actualSize(_ctx: OpContext): Promise<bigint> {
    return withImage(this.path, "read", async (image) => image.virtualSize);
  }

  protected override async openSource(source: ImageSource, ctx: OpContext): Promise<OpenContent> {
    if (source.kind === "blank") return { [Symbol.asyncDispose]: async () => {} };
    const { cache, policy } = this.services;
    const base =
      source.kind === "image"
        ? await cache.image(source.image, { raw: policy.forceRaw }, ctx)
        : await cache.filesystem(
            source.format,
            this.disk.virtualSize,
            () => makeFilesystem(source, this.disk, this.services, ctx),
            ctx,
          );
    return { base, [Symbol.asyncDispose]: async () => base[Symbol.dispose]() };
  }

  protected async allocate(request: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    const { source } = request;
    if (source.kind === "blank" && source.like)
      return await this.allocateLike(source.like, request, undo, ctx);
    const base = request.base && (await inspectNewBase(request.base, this.disk, this.label));
    this.#backing = base?.backing;
    const plan = planImage(this.planRequest(base?.clusterBits));
    await using file = await newFile(this.path, undo, { makeDirectories: true });
    try {
      await createImage(file.handle, plan, await request.container);
    } catch (error) {
      throw this.failed("writing", error, ctx);
    }
    await this.reserve(file.handle.fd, spaceNeeded(plan, this.disk.virtualSize), ctx);
    await file.publish(request.named);
  }

  /** The same tables, and clusters in the same places, which are filled afterwards. */
  private async allocateLike(
    like: ImageDisk,
    request: AllocateImage,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<void> {
    const container = await request.container;
    if (!container)
      throw new LuksmithError("InternalError", `${this.label} is to be filled, but not encrypted`);
    await withImage(join(dirname(this.path), like.name), "read", async (image) => {
      await requireBase(image, like.backing, this.label);
      await requireWhole(image, this.label);
      await using file = await newFile(this.path, undo, { makeDirectories: false });
      try {
        await makeTwin(image, file.handle, container.writes);
      } catch (error) {
        throw this.failed("writing", error, ctx);
      }
      await this.reserve(file.handle.fd, BigInt(image.fileSize), ctx);
      await file.publish(request.named);
    });
  }

  override get hasParts(): boolean {
    return true;
  }

  override async openParts(access: "read" | "write", ctx: OpContext): Promise<OpenParts> {
    await this.requireIdle(ctx);
    const unlocked = this.disk.encryption ? await this.unlock(ctx) : undefined;
    return await openClusters(this.path, access, unlocked);
  }

  override async spaceForTwin(_ctx: OpContext): Promise<bigint> {
    return await withImage(this.path, "read", async (image) => BigInt(image.fileSize));
  }

  protected header(_ctx: OpContext, expected?: DiskIdentity): Promise<HeaderStore> {
    return openHeader(this.path, expected);
  }

  protected override payload(_ctx: OpContext): Promise<StoredPayload> {
    return storedClusters(this.path);
  }

  protected override headerOfCopy(path: string, expected?: DiskIdentity): Promise<HeaderStore> {
    return openHeader(path, expected);
  }

  protected async grow(virtualSize: bigint, ctx: OpContext): Promise<void> {
    await this.withOurs("write", async (image) => {
      const { clusterBits } = image.header;
      const plan = planImage({ ...this.planRequest(clusterBits), virtualSize });
      await this.reserve(image.handle.fd, spaceNeeded(plan, virtualSize), ctx);
      const backing = this.#backing;
      await grow(image, virtualSize, backing ? { backingSize: BigInt(backing.virtualSize) } : {}).catch(
        (error: unknown) => {
          throw this.failed("growing", error, ctx);
        },
      );
    });
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    return await this.withOurs("read", async (image) => {
      using keys = await this.unlockChain(unlocked, ctx);
      const source = { path: this.path, disk: this.disk, unlocked: keys, volumeKey: unlocked?.volumeKey };
      return await exportQcow2(image, source, target, this.services, undo, ctx);
    });
  }

  override async makeCopyTarget(file: NewFile, target: SnapshotTarget): Promise<void> {
    await makeTarget(file, target, this.disk.virtualSize, this.services);
  }

  /** Looks also at its clusters, and at the base: without it, or on another, the disk's content is lost. */
  override async verify(ctx: OpContext): Promise<VerifyReport> {
    const report = await super.verify(ctx);
    const look = (name: string, message: string, use: (image: Qcow2File) => Promise<void>) =>
      withImage(this.path, "read", use).then(
        (): VerifyCheck => ({ name, result: "pass", message }),
        (error: unknown): VerifyCheck => ({ name, result: "fail", message: errorMessage(error) }),
      );
    const standsOn = this.#backing?.file ?? "nothing";
    const more = [
      await look("clusters", "all there", (image) => requireWhole(image, this.label)),
      await look("base", `stands on ${standsOn}`, (image) => requireBase(image, this.#backing, this.label)),
    ];
    const ok = report.ok && more.every(({ result }) => result === "pass");
    return { ...report, ok, checks: [...report.checks, ...more] };
  }

  protected override get overlay(): OverlayHooks {
    const { path, label, services } = this;
    return new Qcow2Overlay({
      path,
      label,
      services,
      backing: () => this.#backing,
      recorded: (backing) => {
        this.#backing = backing;
      },
      unlock: (parts, ctx) => this.unlockParts(parts, ctx),
      withOurs: (mode, use) => this.withOurs(mode, use),
    });
  }

  /** The caller disposes it. */
  private async unlockParts(parts: "base" | "all", ctx: OpContext): Promise<Unlocked & Disposable> {
    using closing = new DisposableStack();
    const own = parts === "all" && this.disk.encryption ? closing.use(await this.unlock(ctx)) : undefined;
    const keys = closing.use(await this.unlockChain(own, ctx));
    const kept = closing.move();
    return { ...keys, [Symbol.dispose]: () => kept.dispose() };
  }

  /** What opens the disk and its base. Disposing it leaves the disk's own passphrase to its owner. */
  private async unlockChain(
    unlocked: UnlockedDisk | undefined,
    ctx: OpContext,
  ): Promise<Unlocked & Disposable> {
    const base = this.#backing;
    const id = base?.secretId;
    const basePassphrase = id === undefined ? undefined : await this.services.keys.get({ id }, ctx);
    const dispose = (): void => basePassphrase?.[Symbol.dispose]();
    return { passphrase: unlocked?.passphrase, base, basePassphrase, [Symbol.dispose]: dispose };
  }

  /** Opens the disk after looking whether it is whole, and its base the recorded one, still there and unchanged. */
  private withOurs<T>(mode: "read" | "write", use: (image: Qcow2File) => Promise<T>): Promise<T> {
    return withImage(this.path, mode, async (image) => {
      await requireBase(image, this.#backing, this.label);
      await requireWhole(image, this.label);
      return use(image);
    });
  }

  private async reserve(fd: number, bytes: bigint, ctx: OpContext): Promise<void> {
    if (this.services.policy.preallocate === "none") return;
    await preallocate(fd, bytes, this.label, this.services, ctx);
  }

  private failed(doing: string, error: unknown, ctx: OpContext): Error {
    const details = { disk: this.disk.name, path: this.path };
    return operationError(error, ctx.signal, `${doing} ${this.label}`, details);
  }

  private planRequest(clusterBits?: number): PlanRequest {
    const backing = this.#backing;
    return {
      virtualSize: this.disk.virtualSize,
      ...(clusterBits === undefined ? {} : { clusterBits }),
      ...(backing ? { backing: { file: backing.file, format: driverOf(backing) } } : {}),
      ...(this.disk.encryption ? { luks: {} } : {}),
    };
  }
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
