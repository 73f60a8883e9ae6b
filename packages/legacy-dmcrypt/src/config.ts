import { createSectorCipher, VolumeKey } from "@luksmith/core";
import * as z from "zod";
import { HASHES, PlainOptions } from "./plain-options.ts";

/** What this plugin takes from nova.conf, and its own `[luksmith:legacy-dmcrypt]`. */
export const LegacyConfig = z
  .object({
    sections: z.object({
      libvirt: z.object({ images_volume_group: z.string().default("") }).prefault({}),
      ephemeral_storage_encryption: z.object({ cipher: z.string(), key_size: z.number() }),
      "luksmith:legacy-dmcrypt": z
        .strictObject({
          /** cryptsetup's `--hash` for new disks. Those there are keep theirs. */
          hash: z.enum(HASHES).default("ripemd160"),
        })
        .prefault({}),
    }),
  })
  .transform(({ sections }, context) => {
    const { cipher, key_size } = sections.ephemeral_storage_encryption;
    const { hash } = sections["luksmith:legacy-dmcrypt"];
    const options = PlainOptions.safeParse({ cipher, key_size, hash });
    const trouble = options.success ? cipherTrouble(options.data) : undefined;
    if (trouble !== undefined) {
      context.addIssue({
        code: "custom",
        path: ["sections", "ephemeral_storage_encryption"],
        message: trouble,
      });
      return z.NEVER;
    }
    if (options.success) return { options: options.data, volumeGroup: sections.libvirt.images_volume_group };
    for (const { message, path } of options.error.issues) {
      const place = ["sections", "ephemeral_storage_encryption", ...path];
      context.addIssue({ code: "custom", path: place, message });
    }
    return z.NEVER;
  });
export type LegacyConfig = z.output<typeof LegacyConfig>;

/** Disks are written and read without the kernel, so both must know the cipher. */
function cipherTrouble({ cipher, key_size }: PlainOptions): string | undefined {
  const [cipherName = "", ...mode] = cipher.split("-");
  try {
    using key = VolumeKey.take(new Uint8Array(key_size / 8), { cipherName, cipherMode: mode.join("-") });
    createSectorCipher(key);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
