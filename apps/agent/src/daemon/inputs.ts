import * as z from "zod";

/** UUIDs are kept in lower case. */
const id = z.string().min(1).max(64).toLowerCase();
const path = z
  .string()
  .max(4096)
  .regex(/^\/[^\0]*$/, "must be an absolute path")
  .meta({ description: "Absolute, on the daemon's host." });
const format = z.enum(["raw", "qcow2"]).optional();

export const OfInstance = z.object({ id: id.meta({ description: "The instance's UUID." }) });
export const OfDisk = OfInstance.extend({
  disk: z
    .string()
    .min(1)
    .max(255)
    .meta({ description: "Its name in disk_info: disk, disk.eph0, disk.swap." }),
});
export const OfSecret = z.object({ id: id.meta({ description: "encryption_secret_uuid of a disk." }) });
export const OfTask = z.object({ id });

export const DeleteQuery = z.object({
  forget_missing: z.enum(["true", "false"]).optional().meta({
    description: "Delete passphrases also of disks that are not found, because they are gone for good.",
  }),
});

export const ResizeBody = z.strictObject({
  size: z.int().min(512).multipleOf(512).meta({ description: "Bytes that the guest shall see." }),
});
export const SnapshotBody = z.strictObject({
  target: path.meta({ description: "The file to make; it must not exist." }),
  format,
  plain: z.boolean().optional().meta({ description: "Write the copy in clear." }),
});
export const RekeyBody = z
  .strictObject({
    volume_key: z.boolean().optional().meta({ description: "Encrypt anew, with another volume key." }),
    abandon: z
      .boolean()
      .optional()
      .meta({ description: "Take back what a change of the volume key began and did not finish." }),
  })
  .optional();
export const RekeyManyBody = z
  .strictObject({
    instance: id.optional().meta({ description: "Default: all." }),
    older_than: z.iso
      .datetime({ offset: true })
      .optional()
      .meta({ description: "Only passphrases that were made before." }),
  })
  .optional();
export const BundleBody = z.strictObject({
  path: path.meta({ description: "The file to make; it must not exist." }),
  instance: id.optional().meta({ description: "Default: all." }),
  disk: z.string().min(1).max(255).optional(),
  recipients: z
    .array(z.string().min(1).max(4096))
    .max(100)
    .optional()
    .meta({ description: "Public keys of age's; default: [luksmith] recovery_recipients." }),
});
export const RebaseBody = z.strictObject({
  base: path,
  format,
  trust_base: z
    .boolean()
    .optional()
    .meta({ description: "Do not compare the present base with the new one." }),
});
const accept_unproven = z
  .boolean()
  .optional()
  .meta({ description: "Although nothing on a disk shows that the key is the right one." });
export const AdoptPlainBody = z.strictObject({
  key: id.meta({ description: "Nova's ephemeral_key_uuid." }),
  hash: z.string().max(32).optional().meta({ description: "cryptsetup's; default: those it had are tried." }),
  cipher: z.string().max(64).optional(),
  key_size: z.int().min(1).max(4096).optional().meta({ description: "Bits." }),
  project: id.optional(),
  accept_unproven,
});
export const MigratePlainBody = z.strictObject({
  accept_unproven,
  abandon: z.boolean().optional().meta({ description: "Take back what was begun and not finished." }),
});
export const PreviewPlainQuery = z.object({ accept_unproven: z.enum(["true", "false"]).optional() });
export const PruneBody = z
  .strictObject({ dry_run: z.boolean().optional(), all_unused: z.boolean().optional() })
  .optional();
export const GcBody = z.strictObject({ grace_seconds: z.int().min(0).optional() }).optional();
export const DoctorBody = z
  .strictObject({ look_only: z.boolean().optional(), only: z.array(z.string().max(100)).max(100).optional() })
  .optional();
export const SyncBody = z.strictObject({ create_provider: z.boolean().optional() }).optional();

export const SpawnBody = z.strictObject({
  request: z.record(z.string(), z.unknown()).meta({ description: "REQUEST.json, as for createInstance." }),
  start: z.boolean().optional().meta({ description: "Default: true." }),
  domain_xml: z
    .string()
    .max(1 << 20)
    .nullish()
    .meta({ description: "Put the disks into this domain of libvirt's, instead of a plain one." }),
});
export const StopBody = z
  .strictObject({
    timeout_ms: z
      .int()
      .min(0)
      .max(86_400_000)
      .meta({ description: "How long it may take to shut down; 0: end it at once. Default: 60000." }),
  })
  .optional();
const timeout_ms = z.int().min(0).max(86_400_000).optional().meta({
  description: "How long the guest may take to shut down; 0: end it at once. Default: 60000.",
});
const request = z.record(z.string(), z.unknown());
export const RebuildBody = z.strictObject({
  request: request.meta({ description: "REQUEST.json, as for createInstance, of the same server." }),
  timeout_ms,
});
export const ShelveBody = z.strictObject({
  directory: path.meta({ description: "Where its disks and its document are kept." }),
  timeout_ms,
});
export const UnshelveBody = z.strictObject({
  document: request.meta({ description: "What shelveGuest wrote." }),
  directory: path.meta({ description: "Where the disks' files are." }),
  start: z.boolean().optional().meta({ description: "Default: true." }),
});
export const EvacuateBody = z.strictObject({
  document: request.meta({ description: "What describeGuest answered on the host that is down." }),
  source_is_down: z.literal(true).meta({ description: "The guest cannot run there any more." }),
  from: path.nullish().meta({
    description: "Copy the disks from here, by name. Default: use them where they are.",
  }),
  recreate: request.nullish().meta({
    description: "REQUEST.json, to make the disks anew from with the passphrases that they had.",
  }),
  start: z.boolean().optional().meta({ description: "Default: true." }),
});
export const EvacuatedBody = z
  .strictObject({
    keep_disks: z.boolean().meta({ description: "Another host uses the disks where they are." }),
  })
  .optional();
export const RescueBody = z.strictObject({
  image: id.meta({ description: "The rescue image's UUID." }),
  format: z.enum(["raw", "qcow2"]).nullish().meta({
    description: "What the image is declared to be, where the image service does not know.",
  }),
  timeout_ms: z.int().min(0).max(86_400_000).optional().meta({
    description: "How long the guest may take to shut down; 0: end it at once. Default: 60000.",
  }),
});
export const AdoptBody = z.strictObject({
  document: z.record(z.string(), z.unknown()).meta({ description: "What offerGuest answered." }),
  from: path.nullish().meta({
    description: "Where the disks' files are, by name. Default: under the other host's paths.",
  }),
  start: z.boolean().optional().meta({ description: "Default: true." }),
});
const moveDocument = z.record(z.string(), z.unknown());
export const OfferBody = z
  .strictObject({ live: z.boolean().meta({ description: "It runs, and goes on: for expectGuest." }) })
  .optional();
export const ExpectBody = z.strictObject({
  document: moveDocument.meta({ description: "What offerGuest answered." }),
});
const uri = z.string().max(4096);
export const SendBody = z.strictObject({
  target: moveDocument.meta({ description: "What expectGuest answered on the other host." }),
  to: uri.meta({ description: "The other host's libvirt, as this one's reaches it." }),
  memory: uri
    .nullish()
    .meta({ description: "Where the guest's memory goes: unix:///PATH; with TLS also tcp." }),
  disks: uri.nullish().meta({ description: "Where the content of its disks goes." }),
  tls: z.boolean().optional().meta({ description: "Encrypt both between the hosts. Default: false." }),
});
export const ReceiptBody = z
  .strictObject({
    receipt: moveDocument.meta({
      description: "What the other host answered, where this one cannot know where the guest is.",
    }),
  })
  .optional();
export const RebootBody = z
  .strictObject({ hard: z.boolean().meta({ description: "End it as if the power failed, and start it." }) })
  .optional();
