import { type ErrorCode, type ImageMetadata, LuksmithError } from "@luksmith/core";
import { type GlanceImage, metadataOf } from "./glance-image.ts";

/** Formats that core takes; others would be refused after the download. */
const DISK_FORMATS = new Set([
  "raw",
  "gpt",
  "qcow2",
  "vmdk",
  "vhd",
  "vhdx",
  "iso",
  "luks",
  "ami",
  "aki",
  "ari",
]);
/** Amazon's three are bare bytes, too. */
const AMAZON = new Set(["ami", "aki", "ari"]);
/** They decide whether the disk is encrypted, and what opens the image. */
const SECRET_PROPERTIES = ["hw_ephemeral_encryption_secret_uuid", "os_encrypt_key_id"];
const TRUE = new Set(["true", "t", "1", "yes", "y", "on"]);

/**
 * Refuses, before any download, an image that cannot be used as it is.
 * @throws `ImageNotActive`, `UnsupportedImageFormat`, `ImageUnacceptable`
 */
export function requireUsable(image: GlanceImage): void {
  const { id, status, disk_format: disk, container_format: container } = image;
  const details = { imageId: id, status, diskFormat: disk ?? null, containerFormat: container ?? null };
  if (status !== "active") {
    throw new LuksmithError(
      "ImageNotActive",
      `image ${id} is ${status} in Glance; wait until it is active, or choose another one`,
      { details },
    );
  }
  if (container && container !== "bare" && !(AMAZON.has(container) && container === disk)) {
    throw new LuksmithError(
      "UnsupportedImageFormat",
      `image ${id} is in a container (container_format ${container}); upload the disk by itself, with container_format bare`,
      { details },
    );
  }
  if (!disk) {
    throw new LuksmithError(
      "ImageUnacceptable",
      `image ${id} has no disk_format in Glance; set it: formats are never guessed`,
      { details },
    );
  }
  if (!DISK_FORMATS.has(disk)) {
    throw new LuksmithError(
      "UnsupportedImageFormat",
      `image ${id} has disk_format ${disk}, which is not taken; convert it to qcow2 or raw and upload it anew`,
      { details },
    );
  }
}

type Value = string | number | null | undefined;
type Refuse = (code: ErrorCode, field: string, theirs: Value, ours: Value) => never;

/**
 * Refuses, before any download, where the request contradicts Glance: Glance counts, but the disk was planned with what
 * the request says. What the request leaves out contradicts nothing.
 * @throws `ImageFormatMismatch`, `ImageUnacceptable`
 */
export function requireAgreement(image: GlanceImage, declared: ImageMetadata | undefined): void {
  if (!declared) return;
  const actual = metadataOf(image);
  const refuse: Refuse = (code, field, theirs, ours) => {
    throw new LuksmithError(
      code,
      `the request says that image ${image.id} has ${field} ${theirs}, Glance says ${ours ?? "none"}; send the image as Glance has it now`,
      { details: { imageId: image.id, field, request: theirs, glance: ours ?? null } },
    );
  };
  const differs = (theirs: Value, ours: Value): boolean =>
    theirs !== undefined && theirs !== null && theirs !== ours;
  if (declared.disk_format && declared.disk_format !== actual.disk_format) {
    refuse("ImageFormatMismatch", "disk_format", declared.disk_format, actual.disk_format);
  }
  for (const field of ["size", "virtual_size", "os_hash_algo", "os_hash_value"] as const) {
    // Glance has no virtual size of many images, and the bytes will say it.
    if (field === "virtual_size" && typeof actual.virtual_size !== "number") continue;
    if (differs(declared[field], actual[field])) {
      refuse("ImageUnacceptable", field, declared[field], actual[field]);
    }
  }
  requireSameEncryption(declared.properties, actual.properties ?? {}, refuse);
}

function requireSameEncryption(
  declared: Readonly<Record<string, string>> | undefined,
  actual: Readonly<Record<string, string>>,
  refuse: Refuse,
): void {
  if (!declared) return;
  for (const name of SECRET_PROPERTIES) {
    const [theirs, ours] = [declared[name]?.toLowerCase(), actual[name]?.toLowerCase()];
    if (theirs !== ours) refuse("ImageUnacceptable", name, theirs ?? "none", ours);
  }
  // To ask for more than the image does is no contradiction.
  const [theirs, ours] = [declared["hw_ephemeral_encryption"], actual["hw_ephemeral_encryption"]];
  if (isTrue(ours) && !isTrue(theirs)) {
    refuse("ImageUnacceptable", "hw_ephemeral_encryption", theirs ?? "none", ours);
  }
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && TRUE.has(value.toLowerCase());
}
