import type { HostConfig } from "../../config/host-config.ts";
import type { LocalDisk, LocalDiskEncryption } from "../../disk/local-disks.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ImageSource } from "../../image/disk-content.ts";
import type { Image } from "../../image/image.ts";
import type { ImageBackend, StorageSurvey } from "../../image/image-backend.ts";
import type { DiskEncryption, ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { ImageFile } from "../../images/image-service.ts";
import { unlockImage } from "../../images/unlock-image.ts";
import type { HostServices } from "../host-services.ts";
import { contentToWrite, type ContentToWrite } from "./content-to-write.ts";
import { guestFormat, type InstancePlan } from "./plan-instance.ts";

/** A disk that is about to be made. */
export interface PreparedDisk extends ContentToWrite {
  readonly local: LocalDisk;
  /** Its secret's id is null as yet, unless it had one before. */
  readonly disk: ImageDisk;
  readonly image: Image;
  readonly source: ImageSource;
}

const SECTOR = 512n;

/**
 * Everything that can be refused is refused here, before anything changes: encryption and guest formats, an image
 * that lies, does not open or does not fit, disks that exist already, too little space. The root image stays open for `stack`'s life.
 * @param nameOf under which name a disk is made
 * @throws `UnsupportedEncryptionFormat`, `DiskExists`, `FlavorDiskSmallerThanImage`, `ImageFormatMismatch`, `NoSpace`, …
 */
export async function prepareCreate(
  plan: InstancePlan,
  services: HostServices,
  config: HostConfig,
  stack: AsyncDisposableStack,
  ctx: OpContext,
  nameOf: (disk: LocalDisk) => string = ({ name }) => name,
): Promise<readonly PreparedDisk[]> {
  const described = [];
  const backend = services.chosenBackend;
  for (const local of plan.disks) {
    const file =
      local.image_id === undefined ? undefined : stack.use(await openImage(plan, local, services, ctx));
    const disk = { ...imageDisk(plan, local, file, backend), name: nameOf(local) };
    const image = backend.image(disk);
    image.requireEncryptionSupport();
    described.push({ local, file, disk, image });
  }
  const survey = await backend.survey?.(
    described.map(({ disk }) => disk),
    ctx,
  );
  const prepared: PreparedDisk[] = [];
  for (const [index, { local, file, disk, image }] of described.entries()) {
    if (!survey) await requireAbsent(image, ctx);
    else if (survey.found[index]) throw diskExists(image);
    if (file?.encryption) await requireOpenable(file, services, ctx);
    const source = file ? ({ kind: "image", image: file } as const) : filesystem(config, local);
    const { force_raw_images: forceRaw } = config.DEFAULT;
    const bytes = await contentToWrite(file, services.cache, backend.capabilities, forceRaw);
    prepared.push({ local, disk, image, source, ...bytes });
  }
  await requireSpace(prepared, ctx, survey);
  return prepared;
}

export async function openImage(
  plan: InstancePlan,
  local: LocalDisk,
  services: HostServices,
  ctx: OpContext,
): Promise<ImageFile> {
  const declared = plan.request.image;
  const file = await services.images.open(
    local.image_id ?? "",
    declared
      ? {
          id: declared.id,
          disk_format: declared.disk_format,
          size: declared.size === null ? null : Number(declared.size),
          virtual_size: declared.virtual_size === null ? null : Number(declared.virtual_size),
          os_hash_algo: declared.os_hash_algo,
          os_hash_value: declared.os_hash_value,
          properties: declared.properties,
        }
      : undefined,
    ctx,
  );
  try {
    requireFit(local, file);
    requireEncryptedDisk(local, file);
    return file;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}

function requireFit(local: LocalDisk, file: ImageFile): void {
  if (local.virtual_size === null || file.virtualSize <= local.virtual_size) return;
  throw new LuksmithError(
    "FlavorDiskSmallerThanImage",
    `image ${file.id} has ${file.virtualSize} bytes, more than the flavor's root disk of ${local.virtual_size}; choose a larger flavor`,
    { details: { imageBytes: Number(file.virtualSize), flavorBytes: Number(local.virtual_size) } },
  );
}

/** What its owner keeps encrypted is not put on this host in clear. */
function requireEncryptedDisk(local: LocalDisk, { id, encryption }: ImageFile): void {
  if (!encryption || local.encryption) return;
  throw new LuksmithError(
    "FlavorImageConflict",
    `image ${id} is encrypted, but neither flavor nor image asks for an encrypted disk; set hw:ephemeral_encryption or hw_ephemeral_encryption to true`,
    { details: { imageId: id, disk: local.name } },
  );
}

/** Before anything changes: the image opens with its secret, and holds nothing but a disk. */
async function requireOpenable(file: ImageFile, services: HostServices, ctx: OpContext): Promise<void> {
  using _unlocked = await unlockImage(file, { keys: services.keys, luks: services.luks }, ctx);
}

export function imageDisk(
  plan: InstancePlan,
  local: LocalDisk,
  file: ImageFile | undefined,
  backend: Pick<ImageBackend, "optionsOf">,
): ImageDisk {
  const size = local.virtual_size ?? file?.virtualSize ?? 0n;
  return {
    instanceUuid: plan.request.server.id,
    name: local.name,
    uuid: local.uuid,
    virtualSize: ((size + SECTOR - 1n) / SECTOR) * SECTOR,
    ...(local.encryption ? { encryption: encryptionOf(local.encryption, backend) } : {}),
  };
}

function encryptionOf(
  { format, secret_uuid: secretId }: LocalDiskEncryption,
  backend: Pick<ImageBackend, "optionsOf">,
): DiskEncryption {
  const options = backend.optionsOf?.(format);
  return { format, secretId, ...(options ? { options } : {}) };
}

export function filesystem(config: HostConfig, local: LocalDisk): ImageSource {
  const format = guestFormat(config, local);
  return local.kind === "swap"
    ? { kind: "filesystem", format }
    : { kind: "filesystem", format, label: `ephemeral${local.index}` };
}

export async function requireAbsent(image: Image, ctx: OpContext): Promise<void> {
  if (await image.identify(ctx)) throw diskExists(image);
}

function diskExists(image: Image): LuksmithError {
  return new LuksmithError(
    "DiskExists",
    `${image.path} exists already and was not touched; it may be a disk that this agent does not know: look at it with "luksmith inspect" and move it away`,
    { details: { path: image.path, disk: image.disk.name } },
  );
}

export async function requireSpace(
  disks: readonly Pick<PreparedDisk, "disk" | "image" | keyof ContentToWrite>[],
  ctx: OpContext,
  survey?: StorageSurvey,
): Promise<void> {
  const [first] = disks;
  if (!first) return;
  const free = survey ? survey.free : await first.image.spaceFree(ctx);
  const needed = disks.reduce(
    (sum, { image, contentBytes, baseBytes }) => sum + image.spaceNeeded(contentBytes) + baseBytes,
    0n,
  );
  if (free === undefined || needed <= free) return;
  throw new LuksmithError(
    "NoSpace",
    `the disks of instance ${first.disk.instanceUuid} need ${needed} bytes at once, ${free} are free below ${first.image.path}; free space or choose a smaller image`,
    { details: { needed: Number(needed), free: Number(free) } },
  );
}
