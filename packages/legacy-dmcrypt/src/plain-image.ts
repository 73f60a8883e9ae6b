import { basename } from "node:path";
import {
  type AllocateImage,
  type BackendCapabilities,
  type BytesPlace,
  copyContent,
  type DiskContent,
  type DiskIdentity,
  type DiskSource,
  fillRawSnapshot,
  type HeaderStore,
  Image,
  type ImageBackend,
  type ImageDisk,
  type ImageServices,
  LuksmithError,
  operationError,
  type OpContext,
  type Passphrase,
  type Rollback,
  type SnapshotTarget,
  type UndoRecord,
  type UnlockedDisk,
  type VerifyReport,
  writeSnapshotFile,
} from "@luksmith/core";
import { deriveKey } from "./derive-key.ts";
import { deviceNumber } from "./device-number.ts";
import { DmMapping, type MappingState, SUFFIX } from "./dm-mapping.ts";
import type { FoundMapping } from "./find-mapping.ts";
import { keyEvidence } from "./key-evidence.ts";
import { type PlainOptions, plainOptionsOf } from "./plain-options.ts";

export const PLAIN_CAPABILITIES: BackendCapabilities = {
  formats: ["raw"],
  encryption: ["plain"],
  resize: false,
  snapshot: ["raw"],
  overlays: false,
};

/**
 * A disk of dm-crypt's plain mode: a plain disk of another backend that holds ciphertext, without any header, and a mapping of the
 * kernel through which the guest sees it. What is written here, and read, is encrypted in memory; the mapping is the guest's.
 */
export class PlainImage extends Image {
  readonly path: string;
  protected readonly capabilities = PLAIN_CAPABILITIES;
  readonly #below: Image;
  readonly #mapping: DmMapping;

  constructor(below: ImageBackend, disk: ImageDisk, services: ImageServices) {
    super(disk, services);
    const { encryption: _none, ...plain } = disk;
    this.#below = below.image(plain);
    this.path = this.#below.path;
    const { commands, policy } = services;
    const told = async (open: boolean, ctx: OpContext): Promise<void> =>
      services.mapped?.({ disk, path: this.#mapping.path, open }, ctx);
    this.#mapping = new DmMapping(basename(this.path) + SUFFIX, commands, policy.commandTimeoutMs, told);
  }

  source(): DiskSource {
    return { type: "block", dev: this.#mapping.path, format: "raw" };
  }

  identify(ctx: OpContext): Promise<DiskIdentity | undefined> {
    return this.#below.identify(ctx);
  }

  spaceNeeded(contentBytes: bigint): bigint {
    return this.#below.spaceNeeded(contentBytes);
  }

  spaceFree(ctx: OpContext): Promise<bigint | undefined> {
    return this.#below.spaceFree(ctx);
  }

  /** The mapping is cut to the guest's bytes; the storage below may have more. */
  async actualSize(ctx: OpContext): Promise<bigint> {
    const open = await this.#mapping.find(ctx);
    if (open) return open.bytes;
    const below = await this.#below.actualSize(ctx);
    return below > this.disk.virtualSize ? this.disk.virtualSize : below;
  }

  /** Opens the mapping. One that is open already must be this disk's. */
  override async activate(ctx: OpContext): Promise<void> {
    const options = plainOptionsOf(this.disk);
    const open = await this.#mapping.state(ctx);
    if (open) {
      await this.#requireSame(open, options);
      return;
    }
    using key = await this.#key(ctx);
    await this.#mapping.open(this.path, this.disk.virtualSize, options, key, ctx);
  }

  override async deactivate(ctx: OpContext): Promise<void> {
    const open = await this.#mapping.find(ctx);
    if (!open) return;
    if (open.device !== (await deviceNumber(this.path))) throw this.#isOnAnother(open);
    await this.requireIdle(ctx);
    await this.#mapping.close(ctx);
  }

  override async evidence(ctx: OpContext): Promise<string | undefined> {
    const options = plainOptionsOf(this.disk);
    const open = await this.#mapping.state(ctx);
    if (open) await this.#requireSame(open, options);
    using unlocked = await this.unlock(ctx);
    const mapping = open ? this.#mapping.path : undefined;
    return await keyEvidence(
      { label: this.label, path: this.path, mapping },
      unlocked.volumeKey,
      this.services,
      ctx,
    );
  }

  override async rename(identity: DiskIdentity, name: string, ctx: OpContext): Promise<void> {
    await this.deactivate(ctx);
    if (this.#below.rename) return await this.#below.rename(identity, name, ctx);
    throw new LuksmithError("UnsupportedOperation", `${this.label} cannot be renamed by its backend`);
  }

  /** As for any disk, and that the key makes sense of it. */
  override async verify(ctx: OpContext): Promise<VerifyReport> {
    const report = await super.verify(ctx);
    const check = await this.evidence(ctx).then(
      (found) => {
        const message = found ?? "nothing behind the key looks like a disk: it may be the wrong one";
        return { name: "key", result: found === undefined ? "warn" : "pass", message } as const;
      },
      (error: unknown) => {
        return {
          name: "key",
          result: "fail",
          message: error instanceof Error ? error.message : String(error),
        } as const;
      },
    );
    return { ...report, ok: report.ok && check.result !== "fail", checks: [...report.checks, check] };
  }

  protected override get bytesPlace(): BytesPlace {
    return { path: this.path, offset: 0n };
  }

  protected override async unlock(ctx: OpContext): Promise<UnlockedDisk> {
    const passphrase = await this.#key(ctx);
    try {
      const volumeKey = deriveKey(passphrase, plainOptionsOf(this.disk));
      return {
        volumeKey,
        passphrase,
        [Symbol.dispose]: () => {
          volumeKey[Symbol.dispose]();
          passphrase[Symbol.dispose]();
        },
      };
    } catch (error) {
      passphrase[Symbol.dispose]();
      throw error;
    }
  }

  protected async allocate({ content }: AllocateImage, undo: Rollback, ctx: OpContext): Promise<void> {
    plainOptionsOf(this.disk);
    await this.#below.create({ source: { kind: "blank", opaque: true } }, undo, ctx);
    if (content) {
      await this.#fill(content, ctx).catch((error: unknown) => {
        throw operationError(error, ctx.signal, `writing ${this.label}`, { path: this.path });
      });
    }
    await undo.defer({ mapping: this.#mapping.name });
    await this.activate(ctx);
  }

  protected async undoMade(record: UndoRecord, ctx: OpContext): Promise<void> {
    if (typeof record["mapping"] === "string") await this.#mapping.close(ctx);
    else await this.#below.undo(record, ctx);
  }

  protected async destroy(identity: DiskIdentity, ctx: OpContext): Promise<void> {
    await this.deactivate(ctx);
    await this.#below.remove(identity, ctx);
  }

  protected async holders(ctx: OpContext): Promise<readonly string[]> {
    if (await this.#mapping.find(ctx)) {
      const count = await this.#mapping.openCount(ctx);
      return count > 0 ? [`what has ${this.#mapping.path} open (${count} times)`] : [];
    }
    if (await this.identify(ctx)) await this.#below.requireIdle(ctx);
    return [];
  }

  protected async exportTo(
    target: SnapshotTarget,
    unlocked: UnlockedDisk | undefined,
    undo: Rollback,
    ctx: OpContext,
  ): Promise<DiskIdentity> {
    unlocked?.[Symbol.dispose]();
    const wasOpen = (await this.#mapping.find(ctx)) !== undefined;
    await this.deactivate(ctx);
    try {
      await using bytes = await this.openBytes("read", ctx);
      const length = this.disk.virtualSize;
      const step = `copy ${this.disk.name}`;
      return await writeSnapshotFile(
        target,
        undo,
        (file) =>
          fillRawSnapshot(file, target, length, this.services, async (to) => {
            await this.services.luks.copy({
              from: bytes.end,
              to,
              length,
              sparse: to.volumeKey === undefined,
              signal: ctx.signal,
              onProgress: (doneBytes, totalBytes) => ctx.progress?.({ step, doneBytes, totalBytes }),
            });
          }),
        ctx,
      );
    } finally {
      if (wasOpen) await this.activate({ ...ctx, signal: new AbortController().signal });
    }
  }

  /** There is none: the base class asks for it only where a format has one. */
  protected header(): Promise<HeaderStore> {
    throw new LuksmithError(
      "UnsupportedOperation",
      `${this.label} has no header: dm-crypt's plain mode writes none`,
    );
  }

  /** Never started: growing is refused by `capabilities`. */
  protected grow(): Promise<void> {
    throw new LuksmithError("UnsupportedOperation", `${this.label} cannot grow; migrate it to LUKS first`);
  }

  async #fill(content: DiskContent, ctx: OpContext): Promise<void> {
    await using bytes = await this.openBytes("write", ctx);
    await copyContent(content, bytes.end, `write ${this.disk.name}`, this.services.luks, ctx);
    await bytes.sync();
  }

  async #key(ctx: OpContext): Promise<Passphrase> {
    const id = this.disk.encryption?.secretId;
    if (id) return await this.services.keys.get({ id }, ctx);
    throw new LuksmithError("InternalError", `${this.label} has no secret; there is nothing to open it with`);
  }

  async #requireSame(open: MappingState, { cipher }: PlainOptions): Promise<void> {
    if (open.device !== (await deviceNumber(this.path))) throw this.#isOnAnother(open);
    if (open.cipher === cipher) return;
    throw new LuksmithError(
      "DiskNotProven",
      `${this.#mapping.path} is open with the cipher ${open.cipher}, and ${this.label} is recorded with ${cipher}; nothing was touched`,
      { details: { path: this.#mapping.path } },
    );
  }

  #isOnAnother({ device }: FoundMapping): LuksmithError {
    return new LuksmithError(
      "DiskReplaced",
      `${this.#mapping.path} is open on another device (${device ?? "several"}) than ${this.label}; somebody else has made it, nothing was touched`,
      { details: { path: this.#mapping.path } },
    );
  }
}
