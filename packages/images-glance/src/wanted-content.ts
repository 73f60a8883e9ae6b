import { createHash } from "node:crypto";
import { declaredHash, type HashAlgorithm, LuksmithError } from "@luksmith/core";
import type { GlanceImage } from "./glance-image.ts";

/** The bytes that an image must have, as Glance says. */
export interface WantedContent {
  readonly id: string;
  /** Bytes. */
  readonly size: bigint;
  readonly algorithm: HashAlgorithm;
  /** In lower-case hexadecimal. Undefined: Glance has none, and the configuration allows it. */
  readonly digest: string | undefined;
}

/**
 * Takes `os_hash_value` if there is one, else the older `checksum`, which is MD5.
 * @throws `ImageUnacceptable` without a size or a digest, or with one that cannot be compared
 */
export function wantedContent(
  { id, size, os_hash_algo, os_hash_value, checksum }: GlanceImage,
  options: { readonly allowMissingHash: boolean },
): WantedContent {
  if (size === null || size === undefined) {
    throw unacceptable(id, "has no size in Glance; upload its data again");
  }
  const wanted = { id, size: BigInt(size) };
  const hash =
    declaredHash({ id, os_hash_algo: os_hash_algo ?? null, os_hash_value: os_hash_value ?? null }) ??
    declaredHash({ id, os_hash_algo: checksum ? "md5" : null, os_hash_value: checksum ?? null });
  if (hash) return { ...wanted, algorithm: hash.algorithm, digest: hash.value };
  if (options.allowMissingHash) return { ...wanted, algorithm: "sha512", digest: undefined };
  throw unacceptable(
    id,
    "has no digest in Glance, so that a damaged download could not be told from a good one; upload its data again, or set [luksmith:images-glance] allow_missing_hash",
  );
}

function unacceptable(id: string, what: string): LuksmithError {
  return new LuksmithError("ImageUnacceptable", `image ${id} ${what}`, { details: { imageId: id } });
}

/** Tells parts of one content from those of another under the same id; 16 hexadecimal digits. */
export function contentKey({ id, size, algorithm, digest }: WantedContent): string {
  const text = [id, size, algorithm, digest ?? ""].join("\n");
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
