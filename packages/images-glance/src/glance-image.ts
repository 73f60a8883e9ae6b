import { type ImageMetadata, imageProperties } from "@luksmith/core";
import * as z from "zod";

/** `GET /v2/images/{id}`: what is used of it; the rest are properties. */
export const GlanceImage = z.looseObject({
  id: z.string(),
  status: z.string(),
  size: z.int().nonnegative().nullish(),
  virtual_size: z.int().nonnegative().nullish(),
  disk_format: z.string().nullish(),
  container_format: z.string().nullish(),
  checksum: z.string().nullish(),
  os_hash_algo: z.string().nullish(),
  os_hash_value: z.string().nullish(),
});

/** @see GlanceImage */
export type GlanceImage = z.infer<typeof GlanceImage>;

/** As the checks of core take it. */
export function metadataOf(image: GlanceImage): ImageMetadata {
  const { id, size, virtual_size, disk_format, os_hash_algo, os_hash_value } = image;
  return {
    id,
    disk_format: disk_format ?? null,
    size: size ?? null,
    virtual_size: virtual_size ?? null,
    os_hash_algo: os_hash_algo ?? null,
    os_hash_value: os_hash_value ?? null,
    properties: imageProperties(image),
  };
}
