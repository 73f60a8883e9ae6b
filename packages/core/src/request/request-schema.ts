import * as z from "zod";
import { BdmSchema } from "./bdm-schema.ts";
import { text, uuid } from "./schema-parts.ts";

/** 2^53 bytes in GiB: what a byte count in JSON can still say exactly. */
const MAX_GIB = 2 ** 23;
/** Nova's database keeps these as signed 32-bit numbers. */
const MAX_INT = 2 ** 31 - 1;
/** More than any guest can have; a longer list is a mistake or an attack. */
const MAX_DEVICES = 256;

const FLAVOR_MISSING =
  "is missing; read the server with compute API microversion 2.47 or later, which embeds its flavor";

const gib = z.int().min(0).max(MAX_GIB);
const rootGib = z
  .int({ error: ({ input }) => (input === undefined ? FLAVOR_MISSING : undefined) })
  .min(0)
  .max(MAX_GIB);
const count = z.int().min(0).max(MAX_INT);
const bytes = z.int().min(0);
/** Extra specs are strings in Nova; people write `true`. */
const scalar = z.union([z.string(), z.number(), z.boolean()], { error: "must be text" }).transform(String);

const FlavorSchema = z.looseObject({
  original_name: text.nullish(),
  name: text.nullish(),
  vcpus: count.nullish(),
  ram: count.nullish(),
  disk: rootGib,
  ephemeral: gib.nullish(),
  "OS-FLV-EXT-DATA:ephemeral": gib.nullish(),
  // Before microversion 2.75 "no swap" is an empty string.
  swap: z
    .union([z.literal("").transform(() => 0), count], { error: "must be a whole number of MiB" })
    .nullish(),
  extra_specs: z.record(z.string(), scalar).nullish(),
});

const DeviceName = z
  .string()
  .max(255)
  .regex(/^(?:\/dev\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/, "must be a device name such as /dev/vda");

const ServerSchema = z.looseObject({
  id: uuid,
  name: text.nullish(),
  tenant_id: text.nullish(),
  project_id: text.nullish(),
  user_id: text.nullish(),
  // A server that boots from a volume has an empty string here.
  image: z
    .union([z.literal(""), z.looseObject({ id: uuid })], { error: "must be empty or have a UUID as its id" })
    .nullish(),
  flavor: FlavorSchema,
  config_drive: z.union([z.string(), z.boolean()], { error: "must be true or false" }).nullish(),
  "OS-EXT-SRV-ATTR:instance_name": text.nullish(),
  "OS-EXT-SRV-ATTR:root_device_name": z
    .union([z.literal(""), DeviceName], { error: "must be a device name such as /dev/vda" })
    .nullish(),
  "os-extended-volumes:volumes_attached": z
    .array(z.looseObject({ id: uuid, delete_on_termination: z.boolean().nullish() }))
    .max(MAX_DEVICES)
    .nullish(),
});

const ImageSchema = z.looseObject({
  id: uuid,
  name: text.nullish(),
  status: text.nullish(),
  disk_format: text.nullish(),
  container_format: text.nullish(),
  size: bytes.nullish(),
  virtual_size: bytes.nullish(),
  min_disk: count.nullish(),
  min_ram: count.nullish(),
  checksum: text.nullish(),
  os_hash_algo: text.nullish(),
  os_hash_value: text.nullish(),
  // The command line client nests what the API has flat.
  properties: z.record(z.string(), z.unknown()).nullish(),
});

/** REQUEST.json. Fields it does not name pass unread. */
export const RequestSchema = z.looseObject({
  server: ServerSchema,
  image: ImageSchema.nullish(),
  block_device_mapping_v2: z.array(BdmSchema).max(MAX_DEVICES).nullish(),
  virt_type: z.string().min(1).max(32).nullish(),
  config_drive: z.boolean().nullish(),
});

export type RequestDocument = z.output<typeof RequestSchema>;
export type ServerDocument = z.output<typeof ServerSchema>;
export type ImageDocument = z.output<typeof ImageSchema>;
