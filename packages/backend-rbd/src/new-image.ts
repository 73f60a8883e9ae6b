import {
  type DiskContent,
  type HeaderWrite,
  type ImageDisk,
  type ImageServices,
  LuksmithError,
  operationError,
  type OpContext,
  type VolumeKey,
} from "@luksmith/core";
import { OpenImage } from "./ceph/open-image.ts";
import type { RbdCluster } from "./ceph/rbd-cluster.ts";
import { DATA_OFFSET } from "./config.ts";
import { fillImage } from "./fill-image.ts";

/** What a new image shall hold. */
export interface NewImage {
  readonly content: DiskContent | undefined;
  readonly writes: readonly HeaderWrite[];
  /** What the content is encrypted with on its way; absent also for one that is encrypted already. */
  readonly volumeKey: VolumeKey | undefined;
}

/** Where it goes, and what it is for messages. */
export interface NewPlace {
  /** Of the image. */
  readonly name: string;
  readonly disk: ImageDisk;
  readonly label: string;
  readonly path: string;
  /** Bytes before the guest's first. */
  readonly dataOffset: bigint;
}

/**
 * Makes an image and fills it.
 * @returns its id
 */
export async function writeImage(
  cluster: RbdCluster,
  { name, disk, label, path, dataOffset }: NewPlace,
  { content, writes, volumeKey }: NewImage,
  luks: ImageServices["luks"],
  ctx: OpContext,
): Promise<string> {
  const what = `making ${label}`;
  const { engine } = cluster.options;
  const wanted = { name, size: dataOffset + disk.virtualSize, writes };
  const { image: made, period } = await OpenImage.create(cluster, wanted, what, ctx);
  await using image = made;
  if (disk.encryption && engine === "librbd" && DATA_OFFSET % period !== 0) throw unsuitable(label, period);
  if (content) {
    const fill = { image, dataOffset, volumeKey, step: `write ${disk.name}` };
    await fillImage(content, fill, luks, ctx).catch((error: unknown) => {
      throw operationError(error, ctx.signal, what, { disk: disk.name, path });
    });
  }
  // Its watch and lock must be gone when it gets its name: a guest may be started then.
  await image.close();
  return image.id;
}

function unsuitable(label: string, period: number): LuksmithError {
  return new LuksmithError(
    "ConfigInvalid",
    `librbd cannot decrypt ${label}: its objects repeat after ${period} bytes, which must divide ${DATA_OFFSET}; set [luksmith:backend-rbd] object_size, or encryption_engine = qemu`,
  );
}
