import type { FileHandle } from "node:fs/promises";
import type { CommandRunner } from "../command/command-runner.ts";
import { LuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import { askQemuImg } from "./ask-qemu-img.ts";
import type { ImageFile, ImageMetadata } from "./image-service.ts";
import { type ImageSecret, imageSecret, SECRET_PROPERTIES } from "./image-secret.ts";
import {
  type AcceptedImage,
  checkImage,
  fileSource,
  ImageRefusedError,
  inspectImage,
  type Inspection,
  type InspectionPolicy,
  refusal,
} from "./inspector/index.ts";

/** What an image service checks images with, besides our own inspection. */
export interface ImageChecks {
  /** Where given, `qemu-img info` must agree, under limits. */
  readonly commands?: CommandRunner;
  /** Nova's `[compute] vmdk_allowed_types`. */
  readonly vmdkCreateTypes?: InspectionPolicy["vmdkCreateTypes"];
}

/** An image's file as a service found it. */
export interface FoundImage {
  readonly id: string;
  /** Absolute. */
  readonly path: string;
  /** Belongs to the result; stays the caller's when this throws. */
  readonly file: FileHandle;
}

/**
 * Compares a file with what it is declared to be, before any tool sees it: exactly one format, the declared one, safe,
 * and qemu-img of the same opinion. For every image service.
 * @throws what `ImageService.open` says
 */
export async function inspectedImage(
  { id, path, file }: FoundImage,
  metadata: ImageMetadata,
  checks: ImageChecks,
  ctx: OpContext,
): Promise<ImageFile> {
  const subject = `image ${id}`;
  const stat = await file.stat({ bigint: true });
  if (!stat.isFile())
    throw new LuksmithError("ImageUnacceptable", `${subject} is not a regular file (${path})`);
  requireDeclaredSize(subject, path, stat.size, metadata);
  const { disk_format: declared } = metadata;
  if (!declared) {
    throw new LuksmithError(
      "ImageUnacceptable",
      `the format of ${subject} is not declared: set its disk_format; formats are never guessed`,
      { details: { imageId: id } },
    );
  }
  const secret = imageSecret(metadata);
  const inspection = await inspectImage(fileSource(file, stat.size), ctx);
  const accepted = checkImage(inspection, containerOf(inspection, declared), {
    subject,
    allowEncrypted: true,
    ...(checks.vmdkCreateTypes ? { vmdkCreateTypes: checks.vmdkCreateTypes } : {}),
  });
  requireDeclaredEncryption(subject, accepted, secret);
  if (checks.commands) await askQemuImg(subject, accepted, file.fd, checks.commands, ctx);
  return {
    id,
    format: accepted.driver === "luks" ? "raw" : accepted.driver,
    path,
    fd: file.fd,
    size: accepted.size,
    virtualSize: accepted.virtualSize,
    ...(accepted.encrypted && secret ? { encryption: { format: "luks", secretId: secret.secretId } } : {}),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

function requireDeclaredSize(
  subject: string,
  path: string,
  size: bigint,
  { size: declared }: ImageMetadata,
): void {
  if (declared === undefined || declared === null || size === BigInt(declared)) return;
  throw new LuksmithError(
    "ImageUnacceptable",
    `${subject} has ${size} bytes where ${declared} are declared (${path}); fetch it again`,
    { details: { path, size: Number(size), declared } },
  );
}

/** Glance has no disk_format for a bare LUKS container: an encrypted raw image is still declared raw. */
function containerOf({ matches }: Inspection, declared: string): string {
  const [first, second] = matches;
  return declared === "raw" && first?.format === "luks" && !second ? "luks" : declared;
}

function requireDeclaredEncryption(
  subject: string,
  accepted: AcceptedImage,
  secret: ImageSecret | undefined,
): void {
  const { format, encrypted, virtualSize } = accepted;
  if (encrypted && !secret) {
    const message = `is encrypted (${format}), but no property names its secret; set ${SECRET_PROPERTIES}`;
    throw new ImageRefusedError(subject, refusal("ImageEncrypted", message, { format }));
  }
  if (!encrypted && secret) {
    const message = `is plain ${format}, though its property ${secret.property} says that it is encrypted; remove the property, or upload the encrypted image`;
    throw new ImageRefusedError(subject, refusal("ImageNotEncrypted", message, { format, ...secret }));
  }
  if (format === "luks" && virtualSize % 512n !== 0n) {
    const message = `is truncated: its encrypted data of ${virtualSize} bytes ends within a sector; fetch it again`;
    throw new ImageRefusedError(subject, refusal("ImageTruncated", message, { format }));
  }
}
