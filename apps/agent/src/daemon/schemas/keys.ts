import * as z from "zod";
import { bytes, time, uuid } from "./common.ts";
import { DiskSchema } from "./disks.ts";

export const RekeyedSchema = z.object({ uuid, disks: z.array(DiskSchema) });
export const RotationSchema = z.object({
  older_than: time.nullable(),
  disks: z.array(
    z.object({
      instance: uuid,
      uuid,
      name: z.string(),
      outcome: z.enum(["rekeyed", "younger", "failed"]),
      passphrase_since: time.meta({ description: "When the passphrase was made that it had." }),
      encryption_secret_uuid: z.string().nullable(),
      error: z.object({ code: z.string(), message: z.string() }).nullable(),
    }),
  ),
});
const headerFacts = z.object({
  sha256: z.string().meta({ description: "Of the header's 592 bytes." }),
  uuid,
  cipher: z.string(),
  key_bits: z.int(),
  active_slots: z.array(z.int()),
  payload_offset: z.int().meta({ description: "Sectors of 512 bytes." }),
});
export const BundleSchema = z.object({
  path: z.string(),
  recipients: z.array(z.string()),
  disks: z.array(
    z.object({
      uuid,
      instance: uuid,
      name: z.string(),
      backend: z.string(),
      path: z.string(),
      format: z.string(),
      virtual_size: bytes,
      secret: uuid,
      header: headerFacts,
      header_offset: bytes.nullable(),
    }),
  ),
  failed: z.array(z.object({ uuid, name: z.string(), error: z.string() })),
});
