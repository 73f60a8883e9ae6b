import type { BackendExtension, ImageBackend, ImageServices } from "@luksmith/core";
import type { LegacyConfig } from "./config.ts";
import { findDisks } from "./find-disks.ts";
import { PlainImage } from "./plain-image.ts";
import { asKeyOptions, optionsToTry } from "./plain-options.ts";

/** Adds the format `plain` to the backend lvm: its plain disks, with dm-crypt over them. */
export function dmcryptExtension(
  { options, volumeGroup }: LegacyConfig,
  services: () => ImageServices,
): BackendExtension {
  return {
    backend: "lvm",
    extend: (below): ImageBackend => ({
      ...below,
      capabilities: { ...below.capabilities, encryption: [...below.capabilities.encryption, "plain"] },
      image: (disk) =>
        disk.encryption?.format === "plain" ? new PlainImage(below, disk, services()) : below.image(disk),
      optionsOf: (format) => (format === "plain" ? asKeyOptions(options) : below.optionsOf?.(format)),
    }),
    optionsToTry: (given) => optionsToTry(given, options),
    find: async (ctx) => {
      const { commands, policy } = services();
      return volumeGroup === "" ? [] : await findDisks(volumeGroup, commands, policy.commandTimeoutMs, ctx);
    },
  };
}
