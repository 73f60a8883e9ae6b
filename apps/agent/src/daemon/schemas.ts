import * as z from "zod";

/*
 * What the daemon says and takes, from which its OpenAPI document is made. The documents are those of the command line's
 * `--json`; docs/reference/cli.md explains their fields.
 */

const uuid = z.string();
const time = z.string().meta({ description: "ISO 8601, UTC" });
const bytes = z.int().min(0);
const json = z.record(z.string(), z.unknown());

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
const unfinished = z.array(TombstoneSchema).meta({ description: "What is tried again until it is done." });
export const ShownInstanceSchema = InstanceSchema.extend({ unfinished });
const plainDisk = { name: z.string(), path: z.string(), bytes };
export const LegacyListSchema = z.object({
  instances: z.array(
    z.object({
      uuid,
      name: z.string().nullable(),
      known: z.boolean().meta({ description: "Whether it is in the inventory." }),
      disks: z.array(
        z.object({
          ...plainDisk,
          mapping: z.string().nullable(),
          cipher: z.string().nullable(),
          known_by: z.enum(["inventory", "mapping", "name"]),
          copied_bytes: bytes.nullable(),
        }),
      ),
    }),
  ),
});
export const LegacyDisksSchema = z.object({ uuid, disks: z.array(DiskSchema) });
export const LegacyPlanSchema = z.object({
  uuid,
  disks: z.array(
    z.object({
      uuid,
      ...plainDisk,
      copied_bytes: bytes,
      space_bytes: bytes,
      evidence: z.string().nullable().meta({ description: "What shows that the key is the right one." }),
      seconds: z.number().nullable().meta({ description: "About how long it takes." }),
      old_key: z.string().nullable(),
      steps: z.array(z.string()),
    }),
  ),
});
export const OpenedPlainSchema = z.object({
  disks: z.array(
    z.object({ instance: uuid, name: z.string(), path: z.string(), error: z.string().nullable() }),
  ),
});
const wanted = z.enum(["on", "off"]).meta({ description: "Whether the host brings it back after a reboot." });
export const GuestSchema = z.object({ uuid, wanted });
export const RescuedSchema = GuestSchema.extend({ rescued: z.boolean() });
export const OfferSchema = json.meta({
  description: "All that another host needs; nothing in it is secret.",
});
export const ShelvedSchema = z.object({ uuid, path: z.string(), document: OfferSchema });
export const TargetSchema = json.meta({
  description: "Where the disks are that a guest may come to; nothing in it is secret.",
});
export const MovedSchema = z.object({ uuid, here: z.boolean() });
export const ReceiptSchema = z.object({
  kind: z.literal("luksmith.move-receipt"),
  version: z.literal(1),
  uuid,
  outcome: z.enum(["sent", "arrived", "removed", "kept", "dismissed"]),
  here: z.boolean().meta({ description: "Whether the guest is this host's." }),
});
export const SpawnedSchema = InstanceSchema.extend({ guest: z.object({ wanted }) });
export const ResumedSchema = z.object({
  guests: z.array(
    z.object({
      uuid,
      name: z.string().nullable(),
      outcome: z.enum(["started", "running", "healed", "waiting", "failed"]),
      running: z.boolean(),
      error: z.string().nullable(),
    }),
  ),
});
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
export const ListSchema = z.object({
  instances: z.array(z.object(instance)),
  snapshots: z.array(SnapshotSchema),
  unfinished,
});
export const DeletedSchema = z.object({ uuid, kind: z.enum(["instance", "snapshot"]) });
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

const base = {
  name: z.string(),
  path: z.string(),
  bytes,
  allocated_bytes: bytes,
  last_used: time,
  used_by: z.array(z.string()),
};
const download = {
  image_id: z.string(),
  path: z.string(),
  bytes,
  allocated_bytes: bytes,
  last_used: time,
  complete: z.boolean(),
};
const outcome = { removed: z.boolean(), kept_because: z.string().nullable() };
export const CacheSchema = z.object({
  bases: z.array(z.object(base)),
  downloads: z.array(z.object(download)),
});
export const PrunedSchema = z.object({
  dry_run: z.boolean(),
  bases: z.array(z.object({ ...base, ...outcome })),
  downloads: z.array(z.object({ ...download, ...outcome })),
  parts: z.array(z.string()),
  freed_bytes: bytes,
});

const reporterOf = { reporter: z.string() };
const absent = z.object({ source: z.string(), traits: z.array(z.string()), reason: z.string() });
export const TraitsSchema = z.object({
  traits: z.array(z.string()),
  absent: z.array(absent),
  reporters: z.array(z.object(reporterOf).loose()),
});
export const TraitsSyncedSchema = z.object({ ...TraitsSchema.shape, created: z.array(z.string()) });

export const GcSchema = z.object({
  applied: z.boolean(),
  discrepancies: z.array(
    z.object({
      kind: z.string(),
      instance: z.string().nullable(),
      object: z.string(),
      finding: z.string(),
      advice: z.string(),
      removable: z.boolean(),
      outcome: z.enum(["done", "left", "refused", "failed"]).nullable(),
      reason: z.string().nullable(),
    }),
  ),
  foreign: z.int(),
  troubles: z.array(z.string()),
});

const severity = z.enum(["ok", "info", "warning", "error"]);
export const DoctorSchema = z.object({
  status: severity,
  findings: z.array(z.object({ id: z.string(), severity, finding: z.string(), fix: z.string().nullable() })),
});

export const RecoveredSchema = z.object({
  operations: z.array(
    z.object({
      operation: z.string(),
      kind: z.string(),
      subject: uuid,
      outcome: z.enum(["undone", "finished", "settled", "failed"]),
      error: z.string().optional(),
      started_at: time,
    }),
  ),
});

export const FailureSchema = z.object({
  code: z.string().meta({ description: "See docs/reference/errors.md." }),
  category: z.string(),
  message: z.string(),
  retryable: z.boolean(),
  details: json,
});
export const ErrorSchema = z.object({ error: FailureSchema });

export const TaskSchema = z.object({
  id: uuid,
  kind: z.string(),
  subject: z.string().nullable().meta({ description: "The instance or snapshot that it changes." }),
  state: z.enum(["queued", "running", "done", "failed", "cancelled"]),
  cancelling: z.boolean().meta({ description: "It was asked to stop." }),
  request_id: z.string(),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
  progress: z.object({ step: z.string(), done_bytes: bytes, total_bytes: bytes }).nullable(),
  result: z
    .unknown()
    .meta({ description: "Once it is done: what the same request answers without waiting." }),
  error: FailureSchema.nullable(),
});
export const TasksSchema = z.object({ tasks: z.array(TaskSchema) });

export const HostSchema = z.object({
  version: z.string(),
  state_path: z.string(),
  pid: z.int(),
  started_at: time,
  asks_for_user: z.boolean().meta({ description: "Whether a plugin acts as the user of X-Auth-Token." }),
  backends: z.array(z.string()),
  key_manager: z.string().nullable(),
});
export const HealthSchema = z.object({ status: z.literal("ok") });
export const ReadySchema = z.object({
  ready: z.boolean(),
  reasons: z.array(z.string()).meta({ description: "Why not." }),
  running: z.int(),
  queued: z.int(),
  unfinished: z.int().meta({ description: "Operations that could not be ended yet." }),
  resuming: z.int().meta({ description: "Guests that are being brought back since the daemon started." }),
  waiting: z.int().meta({
    description: "Guests that wait for somebody with a token to start them, or to give their keys.",
  }),
});

export type TaskDocument = z.output<typeof TaskSchema>;
export type HostDocument = z.output<typeof HostSchema>;
