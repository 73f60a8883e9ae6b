import {
  type DiskIdentity,
  fillRawSnapshot,
  type ImageDisk,
  type ImageServices,
  openExisting,
  type NewFile,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  type VolumeKey,
  writeSnapshotFile,
} from "@luksmith/core";
import { constants } from "node:fs";
import { convertInto } from "./convert-into.ts";
import type { Unlocked } from "./qemu-options.ts";
import { exportGuest, makeImage, type Qcow2File } from "@luksmith/qcow2";

/** A disk to copy. */
export interface ExportSource {
  readonly path: string;
  readonly disk: ImageDisk;
  readonly unlocked: Unlocked;
  /** Absent: the disk is plain. Belongs to the caller. */
  readonly volumeKey: VolumeKey | undefined;
}

const SECTOR = 512;

/**
 * Copies a disk, flattened, into a new file: encrypted anew, or in clear when the target has no passphrase.
 * @param image the disk, open; its base was looked at
 */
export async function exportQcow2(
  image: Qcow2File,
  source: ExportSource,
  target: SnapshotTarget,
  services: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const { disk } = source;
  const fill = async (file: NewFile): Promise<void> => {
    // A base in qcow2 has clusters of its own to walk, compressed ones among them, and one that is encrypted a key of
    // its own: QEMU reads those.
    if (target.format === "raw") {
      await fillRawSnapshot(file, target, image.virtualSize, services, (to) =>
        image.backing && image.backing.format !== "raw"
          ? convertInto(source, image, file, target, services, ctx)
          : copyGuest(image, source, to, services, ctx),
      );
      return;
    }
    await makeTarget(file, target, image.virtualSize, services);
    await convertInto(source, image, file, target, services, ctx);
  };
  try {
    return await writeSnapshotFile(target, undo, fill, ctx);
  } catch (error) {
    const what = `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`;
    throw operationError(error, ctx.signal, what);
  }
}

/** Makes an empty file an empty image, encrypted anew, or plain when the target has no passphrase. */
export async function makeTarget(
  file: NewFile,
  { passphrase, uuid }: SnapshotTarget,
  virtualSize: bigint,
  { luks, policy }: Pick<ImageServices, "luks" | "policy">,
): Promise<void> {
  const encryption = passphrase && { uuid, passphrase, iterations: policy.pbkdfIterations };
  using _made = await makeImage(file.handle, luks, { virtualSize, ...(encryption ? { encryption } : {}) });
}

async function copyGuest(
  image: Qcow2File,
  { disk, volumeKey }: ExportSource,
  to: Parameters<ImageServices["luks"]["copy"]>[0]["to"],
  { luks }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const base = image.backing && (await openExisting(image.backing.file, constants.O_RDONLY));
  try {
    const length = base ? BigInt((await base.stat()).size) : 0n;
    await exportGuest(image, {
      engine: luks,
      ...(volumeKey ? { volumeKey } : {}),
      to,
      zeros: to.volumeKey ? "write" : "skip",
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) =>
        ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes }),
      backing: async (run) => {
        if (!base) return;
        const end = run.start + run.length;
        const known = end < length ? end : length;
        const common = { to, sparse: to.volumeKey === undefined, signal: ctx.signal };
        if (run.start < known) {
          const extents = [{ start: run.start, length: known - run.start }];
          // Where the base ends within a sector, that is filled with zeros.
          await luks.copy({ ...common, from: { fd: base.fd, offset: 0n }, extents, length: known });
        }
        const blank = wholeSectors(known > run.start ? known : run.start);
        if (blank < end && to.volumeKey) {
          const extents = [{ start: blank, length: end - blank }];
          await luks.copy({ ...common, from: "zero", extents, length: image.virtualSize });
        }
      },
    });
  } finally {
    await base?.close();
  }
}

function wholeSectors(bytes: bigint): bigint {
  const sector = BigInt(SECTOR);
  return ((bytes + sector - 1n) / sector) * sector;
}
