import * as z from "zod";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { BlockDeviceInfo } from "../../disk/block-device-info.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import type { DiskInfo } from "../../disk/disk-info.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import { text, uuid } from "../../request/schema-parts.ts";

const SECTOR = 512;
const bytes = z.int().positive().multipleOf(SECTOR);
/** Becomes a file's name. */
const diskName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be a disk's name");

const MoveSchema = z.strictObject({
  kind: z.enum(["luksmith.move", "luksmith.shelf"]),
  version: z.literal(1),
  /** It runs, and comes running: for `expectGuest` alone. */
  live: z.literal(true).optional(),
  instance: z.strictObject({
    uuid,
    name: text.nullable(),
    project_id: text.nullable(),
    // Nova's documents; what is read of them is read with care elsewhere.
    disk_info: z.looseObject({
      mapping: z.record(z.string(), z.looseObject({ dev: z.string(), bus: z.string() })),
    }),
    block_device_info: z.looseObject({}),
  }),
  definition: z.string().max(1_048_576),
  disks: z
    .array(
      z.strictObject({
        uuid,
        name: diskName,
        backend: z.string().max(64),
        path: z
          .string()
          .min(1)
          .max(4096)
          .regex(/^[^\0]*$/),
        virtual_size: bytes,
        encryption: z.strictObject({ format: z.literal("luks"), secret_id: uuid }).nullable(),
        /** What it stands on; only where both hosts have the same storage. */
        backing: z
          .strictObject({
            file: z.string().startsWith("/").max(4096),
            format: z.enum(["raw", "qcow2"]),
            virtual_size: bytes,
            secret_id: uuid.nullable(),
          })
          .nullish(),
      }),
    )
    .min(1)
    .max(64),
});

/** What one host tells another of an instance that moves: all that is known of it, and nothing secret. JSON. */
export type MoveDocument = z.infer<typeof MoveSchema>;

/** @throws `InvalidRequest` */
export function parseMove(document: unknown): MoveDocument {
  const parsed = MoveSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new LuksmithError(
    "InvalidRequest",
    `this is not a document of "luksmith move offer", "move describe" or "shelve": ${problems.join("; ")}`,
    { details: { problems } },
  );
}

/** A disk of a document, without what it stands on. */
export function listedDisk(
  { instance }: MoveDocument,
  { uuid: disk, name, virtual_size, encryption }: MoveDocument["disks"][number],
): ImageDisk {
  return {
    instanceUuid: instance.uuid,
    name,
    uuid: disk,
    virtualSize: BigInt(virtual_size),
    ...(encryption ? { encryption: { format: encryption.format, secretId: encryption.secret_id } } : {}),
  };
}

/** The instance as it will be here. */
export function arrivedInstance(document: MoveDocument, disks: readonly DiskRecord[]): InstanceRecord {
  const { uuid: instanceUuid, name, project_id } = document.instance;
  return {
    uuid: instanceUuid,
    name: name ?? undefined,
    projectId: project_id ?? undefined,
    createdAt: new Date().toISOString(),
    ...infosOf(document),
    disks,
    pending: undefined,
  };
}

export function infosOf({ instance }: MoveDocument): {
  diskInfo: DiskInfo;
  blockDeviceInfo: BlockDeviceInfo;
} {
  // Written by the same program on another host; both are JSON of these shapes.
  const { disk_info, block_device_info } = instance as unknown as {
    disk_info: DiskInfo;
    block_device_info: BlockDeviceInfo;
  };
  return { diskInfo: disk_info, blockDeviceInfo: block_device_info };
}
