import {
  type DiskContent,
  type ImageServices,
  LuksmithError,
  type OpContext,
  type VolumeKey,
} from "@luksmith/core";
import { throwIfCancelled } from "@luksmith/core";
import type { OpenImage, Part } from "./ceph/open-image.ts";
import { inParallel } from "./in-parallel.ts";
import { type Piece, piecesOf } from "./pieces.ts";

const AT_A_TIME = 8;
const SECTOR = 512n;

/** A new image to fill. */
export interface Fill {
  readonly image: OpenImage;
  /** Bytes before the disk's first. */
  readonly dataOffset: bigint;
  /** Absent: the disk is plain. */
  readonly volumeKey: VolumeKey | undefined;
  /** For the listener. */
  readonly step: string;
}

/** Writes a disk's content: encrypted in memory, piece by piece, some at a time. */
export async function fillImage(
  content: DiskContent,
  { image, dataOffset, volumeKey, step }: Fill,
  luks: ImageServices["luks"],
  ctx: OpContext,
): Promise<void> {
  const { fd, length, extents, decryption } = content;
  if (decryption && !volumeKey) {
    throw new LuksmithError("InternalError", `${step}: an encrypted image would become a plain disk`);
  }
  // A plain disk is a new image, which reads as zero already.
  const zeros = volumeKey ? (content.zeros ?? []) : [];
  const totalBytes = [...extents, ...zeros].reduce((sum, each) => sum + each.length, 0n);
  let doneBytes = 0n;
  const report = (): void => ctx.progress?.({ step, doneBytes, totalBytes });
  report();
  const { offset = 0n, ...key } = decryption ?? {};
  const from = { fd, offset, ...key };
  await inParallel(piecesOf(extents, zeros), AT_A_TIME, async (piece) => {
    throwIfCancelled(ctx);
    using slot = await image.take();
    const shift = BigInt(slot.at) - piece.start;
    const to = { fd: image.window.file.fd, offset: shift, ...(volumeKey ? { volumeKey } : {}) };
    const common = { to, length, signal: ctx.signal };
    if (piece.stored.length > 0) await luks.copy({ ...common, from, extents: piece.stored });
    if (piece.zeros.length > 0) await luks.copy({ ...common, from: "zero", extents: piece.zeros });
    const parts = partsOf(piece, volumeKey !== undefined, length).map(({ start, end }): Part => [
      Number(dataOffset + start),
      Number(shift + start),
      Number(end - start),
    ]);
    await image.write(parts, { sparse: !volumeKey }, ctx);
    doneBytes += [...piece.stored, ...piece.zeros].reduce((sum, each) => sum + each.length, 0n);
    report();
  });
}

/** What was put into the window, neighbours joined; whole sectors behind encryption, as they were encrypted. */
function partsOf(
  { stored, zeros }: Piece,
  whole: boolean,
  length: bigint,
): readonly { start: bigint; end: bigint }[] {
  const parts: { start: bigint; end: bigint }[] = [];
  for (const extent of [...stored, ...zeros].sort((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = extent.start + extent.length;
    const start = whole ? (extent.start / SECTOR) * SECTOR : extent.start;
    const end = whole ? ((last + SECTOR - 1n) / SECTOR) * SECTOR : last < length ? last : length;
    const before = parts.at(-1);
    if (before && start <= before.end) before.end = end > before.end ? end : before.end;
    else parts.push({ start, end });
  }
  return parts;
}
