import * as z from "zod";
import { json, time, uuid } from "./common.ts";
import { DiskSchema, SnapshotSchema } from "./disks.ts";

const instance = {
  uuid,
  name: z.string().nullable(),
  created_at: time,
  pending: z.string().nullable().meta({ description: "The operation on it that has not ended." }),
  disks: z.array(DiskSchema),
};
export const InstanceSchema = z.object({ ...instance, disk_info: json, block_device_info: json });
export const TombstoneSchema = z.object({
  operation: z.string(),
  kind: z.string(),
  subject: uuid.meta({ description: "The instance's or snapshot's." }),
  since: time,
  tries: z.int().min(1),
  tried_at: time,
  error: z.string().meta({ description: "Why it could not be ended the last time." }),
  erased: z.array(uuid).meta({ description: "Disks that are erased for certain." }),
  secrets: z.array(uuid).meta({ description: "Passphrases that go; some may be gone." }),
});
export const unfinished = z
  .array(TombstoneSchema)
  .meta({ description: "What is tried again until it is done." });
export const ShownInstanceSchema = InstanceSchema.extend({ unfinished });
export const ListSchema = z.object({
  instances: z.array(z.object(instance)),
  snapshots: z.array(SnapshotSchema),
  unfinished,
});
