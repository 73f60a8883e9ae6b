import * as z from "zod";
import { bytes, json, time, uuid } from "./common.ts";

export const DiskSchema = z.object({
  uuid,
  name: z.string().meta({ description: "Its name in disk_info." }),
  backend: z.string(),
  path: z.string(),
  format: z.enum(["raw", "qcow2"]),
  virtual_size: bytes.meta({ description: "Bytes that the guest sees." }),
  encrypted: z.boolean(),
  encryption_format: z.string().nullable(),
  encryption_secret_uuid: z.string().nullable(),
  xml: z.string().meta({ description: "The <disk> element for the guest's domain." }),
});
export const ChangedDiskSchema = z.object({ instance: uuid, ...DiskSchema.shape });
export const SnapshotSchema = z.object({
  uuid,
  instance: uuid,
  name: z.string(),
  path: z.string(),
  format: z.enum(["raw", "qcow2"]),
  virtual_size: bytes,
  encrypted: z.boolean(),
  encryption_format: z.string().nullable(),
  encryption_secret_uuid: z.string().nullable(),
  created_at: time,
});
export const DeletedSchema = z.object({ uuid, kind: z.enum(["instance", "snapshot"]) });
const check = z.object({
  name: z.string(),
  result: z.enum(["pass", "warn", "fail"]),
  message: z.string(),
});
export const VerifySchema = z.object({
  ok: z.boolean(),
  instances: z.array(
    z.object({
      uuid,
      disks: z.array(
        z.object({ uuid, name: z.string(), path: z.string(), ok: z.boolean(), checks: z.array(check) }),
      ),
    }),
  ),
});
export const PlanSchema = z.object({
  block_device_info: json,
  disk_info: json,
  disks: z.array(
    z.object({
      uuid,
      name: z.string(),
      kind: z.string(),
      backend: z.string(),
      path: z.string(),
      format: z.enum(["raw", "qcow2"]),
      virtual_size: bytes,
      container_bytes: bytes,
      encrypted: z.boolean(),
      encryption_format: z.string().nullable(),
      guest_format: z.string().nullable(),
    }),
  ),
  steps: z.array(
    z.object({ action: z.string(), disk: z.string().optional(), description: z.string() }).loose(),
  ),
  warnings: z.array(z.string()),
});
