import { type EncryptionOptions, type ImageDisk, type KeyOptions, LuksmithError } from "@luksmith/core";
import * as z from "zod";

/** Hashes that cryptsetup's plain mode may have made a key with, and OpenSSL knows. */
export const HASHES = ["ripemd160", "sha1", "sha256", "sha512"] as const;
export type PlainHash = (typeof HASHES)[number];

const SECTOR_BITS = 8;

/** What opens a disk besides its key: nothing on the disk tells it, so it is recorded with it. */
export const PlainOptions = z.looseObject({
  /** As cryptsetup and Nova write it: `aes-xts-plain64`. */
  cipher: z.string().regex(/^[a-z0-9]+-[a-z0-9]+(-[a-z0-9:]+)?$/u, "is no cipher like aes-xts-plain64"),
  /** Bits; xts splits them in two. */
  key_size: z.int().multipleOf(SECTOR_BITS).min(128).max(512),
  /** cryptsetup's `--hash`, which turns the key's text into the volume key. */
  hash: z.enum(HASHES),
});
export type PlainOptions = z.output<typeof PlainOptions>;

/**
 * The recorded options of a disk.
 * @throws `DiskNotProven` where they are missing: guessing would show noise
 */
export function plainOptionsOf({ name, instanceUuid, encryption }: ImageDisk): PlainOptions {
  const parsed = PlainOptions.safeParse(encryption?.options);
  if (parsed.success) return parsed.data;
  throw new LuksmithError(
    "DiskNotProven",
    `how to open ${name} of instance ${instanceUuid} is not recorded: ${z.prettifyError(parsed.error)}; nothing was touched`,
    { details: { disk: name } },
  );
}

/** For a new disk. */
export function asKeyOptions({ cipher, key_size, hash }: PlainOptions): KeyOptions {
  return { cipher, key_size, hash };
}

/** What a disk of Nova's may have been made with: what is given is taken as it is, an unknown hash may be any that was a default. */
export function optionsToTry(given: EncryptionOptions, defaults: PlainOptions): readonly KeyOptions[] {
  const hashes = given["hash"] === undefined ? ["ripemd160", "sha256"] : [given["hash"]];
  return hashes.map((hash) => asKeyOptions(parse({ ...asKeyOptions(defaults), ...given, hash })));
}

function parse(options: EncryptionOptions): PlainOptions {
  const parsed = PlainOptions.safeParse(options);
  if (parsed.success) return parsed.data;
  throw new LuksmithError("InvalidRequest", `this opens no disk: ${z.prettifyError(parsed.error)}`);
}
