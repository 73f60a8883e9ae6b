import * as z from "zod";
import { boolFromString } from "./bool-from-string.ts";
import { text, uuid } from "./schema-parts.ts";

const MAX_INT = 2 ** 31 - 1;

/** A number, or its digits: Nova's API takes both. */
const size = z
  .union(
    [
      z.int(),
      z
        .string()
        .regex(/^[0-9]{1,10}$/)
        .transform(Number),
    ],
    { error: "must be a whole number" },
  )
  .pipe(z.int().min(1).max(MAX_INT));

const bootIndex = z
  .union(
    [
      z.int(),
      z
        .string()
        .regex(/^-?[0-9]{1,10}$/)
        .transform(Number),
    ],
    { error: "must be a whole number" },
  )
  .pipe(z.int().min(-MAX_INT).max(MAX_INT));

const flag = z.union([z.boolean(), z.string().transform(boolFromString)], { error: "must be true or false" });

/**
 * One entry of `block_device_mapping_v2` as Nova's API takes it. `no_device` entries take a device away: nothing else
 * in them counts.
 */
export const BdmSchema = z.looseObject({
  no_device: flag.nullish(),
  source_type: z.enum(["volume", "image", "snapshot", "blank"]).nullish(),
  destination_type: z.enum(["local", "volume"]).nullish(),
  uuid: uuid.nullish(),
  boot_index: bootIndex.nullish(),
  volume_size: size.nullish(),
  guest_format: text.nullish(),
  disk_bus: text.nullish(),
  device_type: z.enum(["cdrom", "disk", "floppy", "fs", "lun"]).nullish(),
  device_name: z
    .string()
    .min(1)
    .max(255)
    .regex(/^(?:\/dev\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be a device name such as /dev/vdb")
    .nullish(),
  delete_on_termination: flag.nullish(),
  tag: z
    .string()
    .min(1)
    .max(60)
    .regex(/^[^,/]*$/, "must not contain a comma or a slash")
    .nullish(),
  volume_type: text.nullish(),
});

export type BdmDocument = z.output<typeof BdmSchema>;
