import {
  type CopyEnd,
  type DiskIdentity,
  fillRawSnapshot,
  type ImageServices,
  type NewFile,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  throwIfCancelled,
  type VolumeKey,
  writeSnapshotFile,
} from "@luksmith/core";
import { makeImage, Qcow2Writer } from "@luksmith/qcow2";
import type { OpenImage } from "./ceph/open-image.ts";
import { inParallel } from "./in-parallel.ts";
import { type Piece, piecesOf } from "./pieces.ts";

const AT_A_TIME = 4;

/** The guest's bytes in an image. */
export interface GuestBytes {
  readonly image: OpenImage;
  /** Bytes before them. */
  readonly dataOffset: bigint;
  readonly length: bigint;
  /** Absent: the disk is plain. */
  readonly volumeKey: VolumeKey | undefined;
  /** For the listener. */
  readonly step: string;
  /** What is done, for messages. */
  readonly what: string;
}

/** Copies a disk into a new file: decrypted and encrypted again in memory, or in clear when the target has no passphrase. */
export async function exportImage(
  guest: GuestBytes,
  target: SnapshotTarget,
  services: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const fill = target.format === "raw" ? fillRaw : fillQcow2;
  try {
    return await writeSnapshotFile(target, undo, (file) => fill(file, guest, target, services, ctx), ctx);
  } catch (error) {
    throw operationError(error, ctx.signal, guest.what);
  }
}

type FillFile = (
  file: NewFile,
  guest: GuestBytes,
  target: SnapshotTarget,
  services: ImageServices,
  ctx: OpContext,
) => Promise<void>;

const fillRaw: FillFile = async (file, guest, target, services, ctx) => {
  await fillRawSnapshot(file, target, guest.length, services, (to) =>
    eachPiece(guest, AT_A_TIME, ctx, async ({ stored }, from) => {
      const sparse = to.volumeKey === undefined;
      const { length } = guest;
      await services.luks.copy({ from, to, length, extents: stored, sparse, signal: ctx.signal });
    }),
  );
};

const fillQcow2: FillFile = async (file, guest, target, { luks, policy }, ctx) => {
  const { passphrase, uuid } = target;
  const encryption = passphrase && { uuid, passphrase, iterations: policy.pbkdfIterations };
  using made = await makeImage(file.handle, luks, {
    virtualSize: guest.length,
    ...(encryption ? { encryption } : {}),
  });
  const { image, volumeKey } = made;
  const writer = await Qcow2Writer.open(image, luks);
  // One after the other: clusters are taken in their order.
  await eachPiece(guest, 1, ctx, ({ stored }, from) =>
    writer.write({ from, extents: stored, signal: ctx.signal, ...(volumeKey ? { volumeKey } : {}) }),
  );
  await writer.finish();
};

/** Has each piece of the disk in memory for a while. */
async function eachPiece(
  { image, dataOffset, length, volumeKey, step }: GuestBytes,
  atATime: number,
  ctx: OpContext,
  use: (piece: Piece, from: CopyEnd) => Promise<void>,
): Promise<void> {
  let doneBytes = 0n;
  const report = (): void => ctx.progress?.({ step, doneBytes, totalBytes: length });
  report();
  await inParallel(piecesOf([{ start: 0n, length }], []), atATime, async (piece) => {
    throwIfCancelled(ctx);
    const bytes = piece.stored.reduce((sum, each) => sum + each.length, 0n);
    using slot = await image.take();
    await image.read([[Number(dataOffset + piece.start), slot.at, Number(bytes)]], ctx);
    const from = { fd: image.window.file.fd, offset: BigInt(slot.at) - piece.start };
    await use(piece, volumeKey ? { ...from, volumeKey } : from);
    doneBytes += bytes;
    report();
  });
}
