/*
 * What the daemon says and takes, from which its OpenAPI document is made. The documents are those of the command line's
 * `--json`; docs/reference/cli.md explains their fields.
 */
export { FailureSchema, ErrorSchema } from "./common.ts";
export {
  DiskSchema,
  ChangedDiskSchema,
  SnapshotSchema,
  DeletedSchema,
  VerifySchema,
  PlanSchema,
} from "./disks.ts";
export { InstanceSchema, TombstoneSchema, ShownInstanceSchema, ListSchema } from "./instances.ts";
export { LegacyListSchema, LegacyDisksSchema, LegacyPlanSchema, OpenedPlainSchema } from "./legacy.ts";
export {
  GuestSchema,
  RescuedSchema,
  OfferSchema,
  ShelvedSchema,
  TargetSchema,
  MovedSchema,
  ReceiptSchema,
  SpawnedSchema,
  ResumedSchema,
} from "./guests.ts";
export { RekeyedSchema, RotationSchema, BundleSchema } from "./keys.ts";
export { CacheSchema, PrunedSchema } from "./cache.ts";
export {
  TraitsSchema,
  TraitsSyncedSchema,
  GcSchema,
  DoctorSchema,
  RecoveredSchema,
  HostSchema,
  HealthSchema,
  ReadySchema,
  type HostDocument,
} from "./host.ts";
export { TaskSchema, TasksSchema, type TaskDocument } from "./tasks.ts";
