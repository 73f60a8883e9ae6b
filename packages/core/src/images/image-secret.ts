import { LuksmithError } from "../errors/luksmith-error.ts";
import type { ImageMetadata } from "./image-service.ts";

/** Properties that name the secret of an encrypted image: Nova's, and Glance's since 2024.2. */
const PROPERTIES = ["hw_ephemeral_encryption_secret_uuid", "os_encrypt_key_id"] as const;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** For messages: what to set so that an encrypted image is taken. */
export const SECRET_PROPERTIES = PROPERTIES.join(" or ");

export interface ImageSecret {
  readonly property: string;
  readonly secretId: string;
}

/**
 * The secret that an image declares; undefined: it is declared plain.
 * @throws `ImageUnacceptable` when two properties disagree, or name no UUID
 */
export function imageSecret({ id, properties = {} }: ImageMetadata): ImageSecret | undefined {
  const declared = PROPERTIES.flatMap((property): ImageSecret[] => {
    const secretId = Object.hasOwn(properties, property) ? properties[property] : undefined;
    return secretId ? [{ property, secretId: secretId.toLowerCase() }] : [];
  });
  const [first, second] = declared;
  if (first && second && first.secretId !== second.secretId) {
    throw unacceptable(id, `${first.property} and ${second.property} name two secrets; correct one of them`);
  }
  if (first && !UUID.test(first.secretId)) {
    throw unacceptable(id, `${first.property} is not the UUID of a secret; correct it`);
  }
  return first;
}

function unacceptable(id: string, why: string): LuksmithError {
  return new LuksmithError("ImageUnacceptable", `the properties of image ${id} are wrong: ${why}`, {
    details: { imageId: id },
  });
}
