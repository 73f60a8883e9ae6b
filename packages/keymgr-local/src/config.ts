import { isAbsolute, join, normalize } from "node:path";
import * as z from "zod";

const AbsolutePath = z
  .string()
  .refine((path) => isAbsolute(path) && !path.includes("\0"), "must be an absolute path")
  .transform((path) => (path.endsWith("/") ? normalize(path).replace(/(?<=.)\/+$/, "") : normalize(path)));

/**
 * What the plugin takes from the host's configuration: `[luksmith] state_path` and `key_encryption_key_file`. It has no
 * options of its own, so anything in `[luksmith:keymgr-local]` is an error.
 */
export const LocalKeyManagerConfig = z
  .object({
    statePath: AbsolutePath,
    sections: z.object({
      // An empty option means that it is not set.
      luksmith: z.object({ key_encryption_key_file: z.literal("").or(AbsolutePath).optional() }).optional(),
      "luksmith:keymgr-local": z.strictObject({}).optional(),
    }),
  })
  .transform(({ statePath, sections }) => ({
    statePath,
    keyFile: sections.luksmith?.key_encryption_key_file || join(statePath, "key-encryption-key"),
  }));

/** @see LocalKeyManagerConfig */
export interface LocalKeyManagerConfig {
  /** The directory of the store. */
  readonly statePath: string;
  /** The key-encryption key's file. */
  readonly keyFile: string;
}
