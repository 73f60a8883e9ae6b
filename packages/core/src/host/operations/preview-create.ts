import type { BlockDeviceInfo } from "../../disk/block-device-info.ts";
import type { DiskInfo } from "../../disk/disk-info.ts";
import type { LocalDisk } from "../../disk/local-disks.ts";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { ImageFile } from "../../images/image-service.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import type { ReadableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { guestFormat, type InstancePlan, planInstance } from "./plan-instance.ts";
import { contentToWrite, type ContentToWrite } from "./content-to-write.ts";
import { imageDisk, openImage, type PreparedDisk, requireAbsent, requireSpace } from "./prepare-create.ts";
import { type PreviewStep, previewSteps } from "./preview-steps.ts";

export type { PreviewStep } from "./preview-steps.ts";

export interface PreviewDisk {
  /** Made up for this preview; a create makes its own. */
  readonly uuid: string;
  readonly name: string;
  readonly kind: LocalDisk["kind"];
  readonly backend: string;
  readonly path: string;
  readonly format: "raw" | "qcow2";
  /** Bytes that the guest sees. */
  readonly virtual_size: number;
  /** Bytes that the storage holds once every byte of the disk is written, header included. */
  readonly container_bytes: number;
  readonly encrypted: boolean;
  readonly encryption_format: string | null;
  /** What a blank disk is formatted with; null for one made of an image. */
  readonly guest_format: string | null;
}

/** What `createInstance` would do. */
export interface CreatePreview {
  readonly block_device_info: BlockDeviceInfo;
  readonly disk_info: DiskInfo;
  readonly disks: readonly PreviewDisk[];
  /** In order. */
  readonly steps: readonly PreviewStep[];
  /** Why a create would be refused now, though the request is right. */
  readonly warnings: readonly string[];
}

interface Previewed extends Pick<PreparedDisk, "local" | "disk" | "image" | keyof ContentToWrite> {
  readonly guest_format: string | null;
}

/** What the world may still change before the create, unlike what is wrong with the request. */
const PASSING = new Set([
  "ImageNotFound",
  "ImageNotActive",
  "ImageServiceUnavailable",
  "TokenMissing",
  "TokenRefused",
  "DiskExists",
  "NoSpace",
  "PermissionDenied",
  "IoError",
]);

/**
 * Works out what a create would make, to the byte, and changes nothing.
 * @throws what `planInstance` and `prepareCreate` refuse about the request itself; `ImageNotFound` only where the image
 * decides the size of the disk
 */
export async function previewCreate(
  host: ReadableHost,
  request: InstanceRequest,
  ctx: OpContext,
): Promise<CreatePreview> {
  const plan = planInstance(host.config, request);
  const services = await host.services();
  const warnings: string[] = [];
  const { id } = request.server;
  if (host.inventory?.instance(id)) warnings.push(`instance ${id} has disks on this host already`);
  const backend = services.chosenBackend;
  const previews: Previewed[] = [];
  for (const local of plan.disks) {
    await using file = await sourceImage(plan, local, services, warnings, ctx);
    const disk = imageDisk(plan, local, file, backend);
    const image = backend.image(disk);
    image.requireEncryptionSupport();
    const guest_format = local.image_id === undefined ? guestFormat(host.config, local) : null;
    await noting(warnings, () => requireAbsent(image, ctx));
    const { force_raw_images: forceRaw } = host.config.DEFAULT;
    const bytes = await contentToWrite(file, services.cache, backend.capabilities, forceRaw);
    previews.push({ local, disk, image, guest_format, ...bytes });
  }
  await noting(warnings, () => requireSpace(previews, ctx));
  const disks = previews.map(({ local, disk, image, guest_format }): PreviewDisk => ({
    uuid: disk.uuid,
    name: disk.name,
    kind: local.kind,
    backend: backend.name,
    path: image.path,
    format: image.source().format,
    virtual_size: Number(disk.virtualSize),
    container_bytes: Number(image.spaceNeeded(disk.virtualSize)),
    encrypted: disk.encryption !== undefined,
    encryption_format: disk.encryption?.format ?? null,
    guest_format,
  }));
  const { blockDeviceInfo: block_device_info, diskInfo: disk_info } = plan;
  const steps = previewSteps(plan, disks, services.keys.name, host.config.luksmith.verify);
  return { block_device_info, disk_info, disks, steps, warnings };
}

async function sourceImage(
  plan: InstancePlan,
  local: LocalDisk,
  services: HostServices,
  warnings: string[],
  ctx: OpContext,
): Promise<ImageFile | undefined> {
  if (local.image_id === undefined) return undefined;
  const open = (): Promise<ImageFile> => openImage(plan, local, services, ctx);
  return local.virtual_size === null ? open() : noting(warnings, open);
}

async function noting<T>(warnings: string[], look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch (error) {
    if (!isLuksmithError(error) || !PASSING.has(error.code)) throw error;
    warnings.push(`${error.code}: ${error.message}`);
    return undefined;
  }
}
