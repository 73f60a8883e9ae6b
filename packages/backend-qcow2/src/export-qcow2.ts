import {
  type DiskIdentity,
  fillRawSnapshot,
  type ImageDisk,
  type ImageServices,
  openExisting,
  operationError,
  type OpContext,
  type Rollback,
  type SnapshotTarget,
  type UnlockedDisk,
  writeSnapshotFile,
} from "@luksmith/core";
import { constants } from "node:fs";
import { convertInto } from "./convert-into.ts";
import { createImage, exportGuest, LUKS_AREA_BYTES, planImage, type Qcow2File } from "./format/index.ts";
import { withImage } from "./with-image.ts";

/** A disk to copy. */
export interface ExportSource {
  readonly path: string;
  readonly disk: ImageDisk;
  /** Absent: the disk is plain. */
  readonly unlocked: UnlockedDisk | undefined;
}

const SECTOR = 512;

/** Copies a disk, flattened, into a new file: encrypted anew, or in clear when the target has no passphrase. */
export async function exportQcow2(
  source: ExportSource,
  target: SnapshotTarget,
  services: ImageServices,
  undo: Rollback,
  ctx: OpContext,
): Promise<DiskIdentity> {
  const { disk } = source;
  try {
    return await withImage(source.path, "read", (image) =>
      writeSnapshotFile(
        target,
        undo,
        async (file) => {
          // A base in qcow2 has clusters of its own to walk, compressed ones among them: QEMU reads those.
          if (target.format === "raw" && image.backing?.format !== "qcow2") {
            await fillRawSnapshot(file, target, image.virtualSize, services, (to) =>
              copyGuest(image, source, to, services, ctx),
            );
            return;
          }
          await using container = await newTarget(target, services);
          const luks = container.made ? { luks: {} } : {};
          if (target.format === "qcow2") {
            await createImage(
              file.handle,
              planImage({ virtualSize: image.virtualSize, ...luks }),
              container.made,
            );
            await convertInto(source, image, file, target, services, ctx);
          } else {
            await fillRawSnapshot(file, target, image.virtualSize, services, async () =>
              convertInto(source, image, file, target, services, ctx),
            );
          }
        },
        ctx,
      ),
    );
  } catch (error) {
    const what = `copying ${disk.name} of instance ${disk.instanceUuid} to ${target.path}`;
    throw operationError(error, ctx.signal, what);
  }
}

async function newTarget(target: SnapshotTarget, { luks, policy }: ImageServices) {
  const { passphrase, uuid, format } = target;
  const made =
    passphrase && format === "qcow2"
      ? await luks.format({
          uuid,
          payloadOffset: LUKS_AREA_BYTES / SECTOR,
          passphrase,
          iterations: policy.pbkdfIterations,
        })
      : undefined;
  return { made, [Symbol.asyncDispose]: async () => made?.volumeKey[Symbol.dispose]() };
}

async function copyGuest(
  image: Qcow2File,
  { disk, unlocked }: ExportSource,
  to: Parameters<ImageServices["luks"]["copy"]>[0]["to"],
  { luks }: ImageServices,
  ctx: OpContext,
): Promise<void> {
  const base = image.backing && (await openExisting(image.backing.file, constants.O_RDONLY));
  try {
    const length = base ? BigInt((await base.stat()).size) : 0n;
    await exportGuest(image, {
      engine: luks,
      ...(unlocked ? { volumeKey: unlocked.volumeKey } : {}),
      to,
      zeros: to.volumeKey ? "write" : "skip",
      signal: ctx.signal,
      onProgress: (doneBytes, totalBytes) =>
        ctx.progress?.({ step: `copy ${disk.name}`, doneBytes, totalBytes }),
      backing: async (run) => {
        if (!base) return;
        const end = run.start + run.length;
        const known = end < length ? end : length;
        const common = {
          to,
          length: image.virtualSize,
          sparse: to.volumeKey === undefined,
          signal: ctx.signal,
        };
        if (run.start < known) {
          const extents = [{ start: run.start, length: known - run.start }];
          await luks.copy({ ...common, from: { fd: base.fd, offset: 0n }, extents });
        }
        if (known < end && to.volumeKey) {
          const start = run.start > known ? run.start : known;
          await luks.copy({ ...common, from: "zero", extents: [{ start, length: end - start }] });
        }
      },
    });
  } finally {
    await base?.close();
  }
}
