import { randomUUID } from "node:crypto";
import { ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { Image } from "../../image/image.ts";
import type { LuksEngine } from "@luksmith/luks";
import { diskFromJson, diskToJson, type ImageDisk } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Reencryption } from "../../journal/reencryptions.ts";
import { secretName } from "../../key-manager/key-manager.ts";
import type { WritableHost } from "../host.ts";
import { OperationSecrets } from "../operations/operation-secrets.ts";
import { journaledRollback, takeBack } from "../operations/undo.ts";
import { copyPiece, pieceDifference } from "./copy-parts.ts";

/** Bytes between two checkpoints, each of which costs a sync of the disk and one of the journal. */
export const PIECE_BYTES = 64n << 20n;

/** What a new disk is called until it takes its place. */
export function copyName(name: string): string {
  return `${name}.luks`;
}

/** The new disk before it has a passphrase: the same guest's bytes in a LUKSv1 container. */
export function plannedCopy({ instanceUuid, name, uuid, virtualSize, backing }: DiskRecord): ImageDisk {
  return {
    instanceUuid,
    name: copyName(name),
    uuid,
    virtualSize,
    encryption: { format: "luks", secretId: null },
    ...(backing ? { backing } : {}),
  };
}

/** Makes the new disk, empty, with a passphrase of its own. What fails or is killed is taken back. */
export async function prepareCopy(
  host: WritableHost,
  instance: InstanceRecord,
  record: DiskRecord,
  ctx: OpContext,
): Promise<Reencryption> {
  const services = await host.services();
  // Of its own, so that taking it back by its name never finds another.
  const name = `${secretName(instance.uuid, record.uuid)} key ${randomUUID()}`;
  const secrets = await OperationSecrets.plan(services.keys, [name], instance, ctx);
  const operation = host.journal.begin("reencrypt", instance.uuid, ctx, {}, secrets.steps);
  try {
    using passphrase = services.luks.generatePassphrase();
    const consumer = { resourceType: "disk", resourceId: record.uuid } as const;
    const { id } = await secrets.make(operation, name, passphrase, consumer, ctx);
    const disk: ImageDisk = { ...plannedCopy(record), encryption: { format: "luks", secretId: id } };
    const image = services.backend(record.backend).image(disk);
    const undo = journaledRollback(operation, record.backend, image);
    await image.create({ source: { kind: "blank", like: record }, passphrase }, undo, ctx);
    const identity = await image.identify(ctx);
    if (!identity)
      throw new LuksmithError("DiskNotProven", `${image.label} vanished right after it was made`);
    const begun = { disk: record.uuid, target: diskToJson(disk), identity };
    operation.end("done", () => host.inventory.reencryptions.add(begun));
    return { ...begun, copied: 0n };
  } catch (error) {
    throw await takeBack(services, operation, error, ctx, secrets);
  }
}

/**
 * Copies what is not copied yet, decrypted and encrypted in memory, then compares all of it as the storage has it. Nobody else may use
 * either disk meanwhile. Killed or cancelled, or when a device fails, it goes on from the last checkpoint.
 * @throws `DiskInUse`, `IoError`; `DiskNotProven`: they differ, and the copy begins anew the next time
 */
export async function copyAndCompare(
  host: WritableHost,
  from: Image,
  begun: Reencryption,
  pieceBytes: bigint,
  ctx: OpContext,
): Promise<void> {
  const services = await host.services();
  const disk = diskFromJson(begun.target);
  const to = services.backend(hostBackend(host, begun)).image(disk);
  await from.deactivate(ctx);
  const first = await copyPieces(host, { from, to, begun, pieceBytes }, services.luks, ctx).catch(
    (error: unknown) => {
      if (ctx.signal.aborted) throw error;
      throw ioError(error, `copying ${from.label} into ${to.path}`, { disk: from.disk.name });
    },
  );
  if (first === undefined) return;
  host.inventory.reencryptions.setCopied(begun.disk, 0n);
  throw new LuksmithError(
    "DiskNotProven",
    `the copy of ${from.label} differs from it from byte ${first} on: it was written to meanwhile, or the storage does not keep what it is given; the disk is as it was, give the same command again`,
    { details: { disk: from.disk.name, offset: Number(first) } },
  );
}

interface Copying {
  readonly from: Image;
  readonly to: Image;
  readonly begun: Reencryption;
  readonly pieceBytes: bigint;
}

/** @returns the first byte in which they differ */
async function copyPieces(
  host: WritableHost,
  { from, to, begun, pieceBytes }: Copying,
  luks: LuksEngine,
  ctx: OpContext,
): Promise<bigint | undefined> {
  const length = to.disk.virtualSize;
  await using source = await from.openParts("read", ctx);
  await using target = await to.openParts("write", ctx);
  const pair = { source, target, luks, signal: ctx.signal, label: from.label };
  const pieceAt = (start: bigint) => ({
    start,
    length: length - start < pieceBytes ? length - start : pieceBytes,
  });
  const report = (what: string, doneBytes: bigint): void =>
    ctx.progress?.({ step: `${what} ${from.disk.name}`, doneBytes, totalBytes: length });
  for (let start = begun.copied; start < length;) {
    throwIfCancelled(ctx);
    const piece = pieceAt(start);
    await copyPiece(pair, piece);
    await target.sync();
    start += piece.length;
    host.inventory.reencryptions.setCopied(begun.disk, start);
    report("copy", start);
  }
  let first: bigint | undefined;
  for (let start = 0n; start < length && first === undefined; start += pieceBytes) {
    throwIfCancelled(ctx);
    const piece = pieceAt(start);
    first = await pieceDifference(pair, piece);
    report("compare", start + piece.length);
  }
  return first;
}

function hostBackend(host: WritableHost, { disk, target }: Reencryption): string {
  const { instanceUuid } = diskFromJson(target);
  const record = host.inventory.instance(instanceUuid)?.disks.find(({ uuid }) => uuid === disk);
  if (!record) throw new Error("a copy belongs to a disk of the inventory");
  return record.backend;
}
