import { setTimeout as sleep } from "node:timers/promises";
import { cancelledError, LuksmithError, type OpContext } from "@luksmith/core";
import { copyXml, snapshotXml } from "../domain/copy-xml.ts";
import { domainDisks } from "../domain/guest-disks.ts";
import type { BlockInfo, BlockJob, CopyTarget, LibvirtDisks, Overlay } from "../libvirt-disks.ts";
import { explained } from "../libvirt-error.ts";
import type { Procedure } from "./procedures.ts";
import type { Call, RpcConnection } from "./rpc-connection.ts";
import type { RpcDomains } from "./rpc-domains.ts";
import { writeDomain, writeTextParameters } from "./wire-types.ts";
import type { XdrReader } from "./xdr-reader.ts";
import type { XdrWriter } from "./xdr-writer.ts";

const NO_FLAGS = 0;
const RESIZE_BYTES = 1;
const AFFECT = { live: 1, config: 2 };
/** No metadata: an overlay is a disk's business, not a snapshot that libvirt should list and refuse to undefine with. */
const SNAPSHOT = { noMetadata: 4, diskOnly: 16, reuse: 32, atomic: 128 };
const COPY = { reuse: 2, transientJob: 4 };
const COMMIT_ACTIVE = 4;
const JOB_PIVOT = 2;
const JOB_KINDS: readonly BlockJob["kind"][] = [
  "unknown",
  "pull",
  "copy",
  "commit",
  "active-commit",
  "backup",
];
const SNAPSHOT_TIMEOUT_MS = 120_000;
const COMMIT_TIMEOUT_MS = 3_600_000;
const POLL_MS = 100;

export class RpcDisks implements LibvirtDisks {
  readonly #connection: RpcConnection;
  readonly #domains: RpcDomains;

  constructor(connection: RpcConnection, domains: RpcDomains) {
    this.#connection = connection;
    this.#domains = domains;
  }

  info(uuid: string, device: string, ctx: OpContext): Promise<BlockInfo> {
    const write = (writer: XdrWriter) => writer.string(device).uint(NO_FLAGS);
    const read = (reader: XdrReader) => ({
      allocation: reader.hyper(),
      capacity: reader.hyper(),
      physical: reader.hyper(),
    });
    return this.#onDisk("domainGetBlockInfo", "looking at", uuid, device, write, read, ctx);
  }

  async grow(uuid: string, device: string, bytes: bigint, ctx: OpContext): Promise<void> {
    const { capacity } = await this.info(uuid, device, ctx);
    if (bytes === capacity) return;
    if (bytes < capacity) {
      throw new LuksmithError(
        "CannotShrink",
        `disk ${device} of guest ${uuid} has ${capacity} bytes and cannot get ${bytes}: libvirt would cut off what the guest has written; ask for at least its present size`,
        { details: { guest: uuid, disk: device, virtual_size: Number(capacity) } },
      );
    }
    const write = (writer: XdrWriter) => writer.string(device).hyper(bytes).uint(RESIZE_BYTES);
    await this.#onDisk("domainBlockResize", "growing", uuid, device, write, () => {}, ctx);
  }

  async attach(uuid: string, xml: string, ctx: OpContext): Promise<void> {
    await this.#change("domainAttachDeviceFlags", "attaching", uuid, xml, ctx);
  }

  async detach(uuid: string, xml: string, ctx: OpContext): Promise<void> {
    await this.#change("domainDetachDeviceFlags", "detaching", uuid, xml, ctx);
  }

  async snapshot(uuid: string, overlays: readonly Overlay[], ctx: OpContext): Promise<void> {
    const xml = snapshotXml(await this.#domains.xml(uuid, ctx), overlays);
    const existing = overlays.filter((overlay) => overlay.exists).length;
    if (existing !== 0 && existing !== overlays.length) {
      throw new LuksmithError(
        "UnsupportedOperation",
        "of the overlays of one snapshot, either all exist or none; make the others, too",
      );
    }
    const reuse = existing > 0 ? SNAPSHOT.reuse : 0;
    const flags = SNAPSHOT.noMetadata | SNAPSHOT.diskOnly | SNAPSHOT.atomic | reuse;
    await explained(`putting overlays on disks of guest ${uuid}`, { guest: uuid }, () =>
      this.#connection.call(
        "domainSnapshotCreateXml",
        {
          write: (writer) => writeDomain(writer, uuid).string(xml).uint(flags),
          read: () => {},
          timeoutMs: SNAPSHOT_TIMEOUT_MS,
        },
        ctx,
      ),
    );
  }

  async commit(uuid: string, device: string, ctx: OpContext): Promise<void> {
    const write = (writer: XdrWriter) =>
      writer
        .string(device)
        .optionalString(undefined)
        .optionalString(undefined)
        .hyper(0n)
        .uint(COMMIT_ACTIVE | 1);
    await this.#onDisk("domainBlockCommit", "merging", uuid, device, write, () => {}, ctx);
    try {
      await this.#ready(uuid, device, ctx);
    } catch (error) {
      // The caller's signal may have fired; what was begun is still to be stopped.
      await this.finishCopy(uuid, device, "stay", { ...ctx, signal: AbortSignal.timeout(POLL_MS * 100) });
      throw error;
    }
    await this.finishCopy(uuid, device, "pivot", ctx);
  }

  async startCopy(uuid: string, device: string, target: CopyTarget, ctx: OpContext): Promise<void> {
    const xml = copyXml(await this.#domains.xml(uuid, ctx), device, target.source);
    // A job of a persistent guest needs to be transient: libvirt could not resume it.
    const flags = COPY.transientJob | (target.exists ? COPY.reuse : 0);
    const write = (writer: XdrWriter) =>
      writeTextParameters(writer.string(device).string(xml), []).uint(flags);
    const options = { timeoutMs: SNAPSHOT_TIMEOUT_MS, changes: uuid };
    await this.#onDisk("domainBlockCopy", "copying", uuid, device, write, () => {}, ctx, options);
  }

  async job(uuid: string, device: string, ctx: OpContext): Promise<BlockJob | undefined> {
    const write = (writer: XdrWriter) => writer.string(device).uint(NO_FLAGS);
    const read = (reader: XdrReader) => {
      const found = reader.int();
      const kind = JOB_KINDS[reader.int()] ?? "unknown";
      // The bandwidth.
      reader.hyper();
      const [done, total] = [reader.hyper(), reader.hyper()];
      return found === 1 ? { kind, done, total } : undefined;
    };
    const job = await this.#onDisk(
      "domainGetBlockJobInfo",
      "looking at the job of",
      uuid,
      device,
      write,
      read,
      ctx,
    );
    if (!job) return undefined;
    const disks = domainDisks(await this.#domains.xml(uuid, ctx));
    return { ...job, ready: disks.some((disk) => disk.device === device && disk.mirrored) };
  }

  async finishCopy(uuid: string, device: string, go: "pivot" | "stay", ctx: OpContext): Promise<void> {
    const write = (writer: XdrWriter) => writer.string(device).uint(go === "pivot" ? JOB_PIVOT : NO_FLAGS);
    await this.#onDisk("domainBlockJobAbort", "ending the job of", uuid, device, write, () => {}, ctx);
  }

  async #ready(uuid: string, device: string, ctx: OpContext): Promise<void> {
    const end = Date.now() + COMMIT_TIMEOUT_MS;
    for (;;) {
      const job = await this.job(uuid, device, ctx);
      if (job === undefined) throw this.#lost(uuid, device);
      if (job.ready) return;
      if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
      if (Date.now() > end) throw this.#lost(uuid, device);
      await sleep(POLL_MS);
    }
  }

  #lost(uuid: string, device: string): LuksmithError {
    return new LuksmithError(
      "LibvirtFailed",
      `the job of disk ${device} of guest ${uuid} did not get ready; see the guest's log in /var/log/libvirt/qemu`,
      { details: { guest: uuid, disk: device } },
    );
  }

  async #change(
    procedure: "domainAttachDeviceFlags" | "domainDetachDeviceFlags",
    doing: string,
    uuid: string,
    xml: string,
    ctx: OpContext,
  ): Promise<void> {
    await explained(`${doing} a disk of guest ${uuid}`, { guest: uuid }, async () => {
      const persistent = await this.#connection.call(
        "domainIsPersistent",
        { write: (writer) => writeDomain(writer, uuid), read: (reader) => reader.int() === 1 },
        ctx,
      );
      const active = (await this.#domains.find(uuid, ctx))?.active === true;
      const flags = (active ? AFFECT.live : 0) | (persistent ? AFFECT.config : 0);
      const write = (writer: XdrWriter) => writeDomain(writer, uuid).string(xml).uint(flags);
      await this.#connection.call(procedure, { write, read: () => {} }, ctx);
    });
  }

  #onDisk<T>(
    procedure: Procedure,
    doing: string,
    uuid: string,
    device: string,
    write: (writer: XdrWriter) => unknown,
    read: (reader: XdrReader) => T,
    ctx: OpContext,
    options: Partial<Pick<Call<T>, "timeoutMs" | "changes">> = {},
  ): Promise<T> {
    const call = { ...options, write: (writer: XdrWriter) => write(writeDomain(writer, uuid)), read };
    const details = { guest: uuid, disk: device };
    return explained(`${doing} disk ${device} of guest ${uuid}`, details, () =>
      this.#connection.call(procedure, call, ctx),
    );
  }
}
