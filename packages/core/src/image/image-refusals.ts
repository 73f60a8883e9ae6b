import { LuksmithError } from "../errors/luksmith-error.ts";
import type { ImageDisk } from "./image-disk.ts";

/** A disk, for messages. */
export interface NamedDisk {
  readonly disk: ImageDisk;
  readonly path: string;
  /** The disk with its instance and path. */
  readonly label: string;
}

export function unsupportedOperation({ label }: NamedDisk, what: string): LuksmithError {
  return new LuksmithError("UnsupportedOperation", `${what} is not supported for ${label} by its backend`);
}

export function unsupportedFormat({ disk, label }: NamedDisk, supported: readonly string[]): LuksmithError {
  const format = disk.encryption?.format;
  return new LuksmithError(
    "UnsupportedEncryptionFormat",
    `${label} asks for encryption format ${format}, which this backend cannot do; it can do ${supported.join(", ") || "none"}`,
    { details: { disk: disk.name, format, supported } },
  );
}

export function headerCopiesRemain(
  { disk, path, label }: NamedDisk,
  copies: readonly string[],
): LuksmithError {
  return new LuksmithError(
    "HeaderCopiesRemain",
    `${label} has snapshots in its storage (${copies.join(", ")}), in which the passphrase that it has now opens it for ever; nothing was touched: remove them first`,
    { details: { disk: disk.name, path, copies } },
  );
}

/** Nothing was touched. */
export function diskReplaced({ disk, path }: NamedDisk, why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "DiskReplaced",
    `what stands at ${path} is not ${disk.name} of instance ${disk.instanceUuid}: ${why}; nothing was touched, look at it with "luksmith inspect" and move it away`,
    { details: { disk: disk.name, path }, ...(cause === undefined ? {} : { cause }) },
  );
}

export function diskInUse({ disk, path, label }: NamedDisk, holders: readonly string[]): LuksmithError {
  return new LuksmithError(
    "DiskInUse",
    `${label} is in use by ${holders.join(", ")}; stop the guest first, then try again`,
    { details: { disk: disk.name, path, holders } },
  );
}

export function cannotShrink({ disk, label }: NamedDisk, current: bigint, requested: bigint): LuksmithError {
  return new LuksmithError(
    "CannotShrink",
    `${label} has ${current} bytes and cannot shrink to ${requested}; ask for at least its present size`,
    { details: { disk: disk.name, current: Number(current), requested: Number(requested) } },
  );
}

/** Nothing was touched. */
export function notThisDisk(image: NamedDisk, path: string, uuid: string): LuksmithError {
  return new LuksmithError(
    "DiskNotProven",
    `${path} is no copy of ${image.label}: its header has the UUID ${uuid}`,
    {
      details: { disk: image.disk.name, path },
    },
  );
}

export function wrongSize({ disk, path, label }: NamedDisk, current: bigint): LuksmithError {
  return new LuksmithError(
    "DiskNotProven",
    `${label} has ${current} bytes where ${disk.virtualSize} were made: somebody else has changed it; nothing was touched, restore it from a backup`,
    { details: { disk: disk.name, path, actual: Number(current), expected: Number(disk.virtualSize) } },
  );
}
