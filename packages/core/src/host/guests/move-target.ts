import * as z from "zod";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { GuestDisks } from "../../guest/hypervisor.ts";
import type { DiskSource } from "../../image/image-disk.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import { uuid } from "../../request/schema-parts.ts";

const format = z.enum(["raw", "qcow2"]);
const place = z.string().startsWith("/").max(4096);

const TargetSchema = z.strictObject({
  kind: z.literal("luksmith.move-target"),
  version: z.literal(1),
  uuid,
  /** As the other host itself reaches its hypervisor; for people. */
  connection_uri: z.string().max(4096),
  disks: z
    .array(
      z.strictObject({
        uuid,
        name: z.string().max(64),
        backend: z.string().max(64),
        source: z.discriminatedUnion("type", [
          z.strictObject({ type: z.literal("file"), file: place, format }),
          z.strictObject({ type: z.literal("block"), dev: place, format }),
          // It is not copied: both hosts have it.
          z.strictObject({
            type: z.literal("network"),
            protocol: z.literal("rbd"),
            name: z.string().min(3).max(4096),
            format: z.literal("raw"),
            hosts: z
              .array(z.strictObject({ name: z.string().max(256), port: z.string().max(8).optional() }))
              .max(64),
            auth: z.strictObject({ username: z.string().max(256), secretId: uuid }).optional(),
            engine: z.enum(["qemu", "librbd"]).optional(),
          }),
        ]),
        virtual_size: z.int().positive(),
        encryption: z.strictObject({ format: z.literal("luks"), secret_id: uuid }).nullable(),
      }),
    )
    .min(1)
    .max(64),
});

/** What a host that expects a guest tells the one that has it: where its disks are. JSON; nothing in it is secret. */
export type MoveTarget = z.infer<typeof TargetSchema>;

/** @throws `InvalidRequest` */
export function parseTarget(document: unknown): MoveTarget {
  const parsed = TargetSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  throw new LuksmithError(
    "InvalidRequest",
    `this is not a document of "luksmith move expect": ${problems.join("; ")}`,
    { details: { problems } },
  );
}

/** @param connectionUri `[libvirt] connection_uri` */
export function targetOf({ uuid: instance, disks }: InstanceRecord, connectionUri: string): MoveTarget {
  return {
    kind: "luksmith.move-target",
    version: 1,
    uuid: instance,
    connection_uri: connectionUri,
    disks: disks.map((disk) => ({
      uuid: disk.uuid,
      name: disk.name,
      backend: disk.backend,
      source: sourceOf(disk),
      virtual_size: Number(disk.virtualSize),
      encryption: encryptionOf(disk),
    })),
  };
}

/** A disk that was made for a guest to come stands alone. */
function sourceOf({ source }: DiskRecord): MoveTarget["disks"][number]["source"] {
  switch (source.type) {
    case "file":
      return { type: "file", file: source.file, format: source.format };
    case "block":
      return { type: "block", dev: source.dev, format: source.format };
    case "network":
      return { ...source, format: "raw", hosts: [...source.hosts] };
  }
}

function encryptionOf({ encryption }: DiskRecord): MoveTarget["disks"][number]["encryption"] {
  if (!encryption?.secretId) return null;
  return { format: "luks", secret_id: encryption.secretId };
}

/**
 * The guest's disks as they are on the other host.
 * @throws `InvalidRequest`: they are not this guest's, or not as they must be to hold what its disks hold
 */
export function arrivalOf(instance: InstanceRecord, target: MoveTarget): GuestDisks {
  if (target.uuid !== instance.uuid) throw wrong(instance, `it is of guest ${target.uuid}`);
  if (target.disks.length !== instance.disks.length) throw wrong(instance, "it has other disks");
  const disks = instance.disks.map((disk): DiskRecord => {
    const over = target.disks.find(({ uuid: id }) => id === disk.uuid);
    if (over?.name !== disk.name) throw wrong(instance, `${disk.name} is not in it`);
    if (BigInt(over.virtual_size) !== disk.virtualSize)
      throw wrong(instance, `${disk.name} has another size`);
    // What is encrypted here is not sent to a plain disk, nor to one that another passphrase opens.
    if ((over.encryption?.secret_id ?? null) !== (disk.encryption?.secretId ?? null)) {
      throw wrong(instance, `${disk.name} is not encrypted with the same secret`);
    }
    const { backing: _base, ...alone } = disk;
    const source = over.source as DiskSource;
    // One that both hosts have is not copied, and so must be the very same.
    if (imageIn(source) !== imageIn(disk.source)) throw wrong(instance, `${disk.name} is on other storage`);
    const path = source.type === "file" ? source.file : source.type === "block" ? source.dev : disk.path;
    return { ...alone, backend: over.backend, path, source };
  });
  return { uuid: instance.uuid, diskInfo: instance.diskInfo, disks };
}

function imageIn(source: DiskSource): string | undefined {
  return source.type === "network" ? source.name : undefined;
}

function wrong({ uuid: instance }: InstanceRecord, why: string): LuksmithError {
  return new LuksmithError(
    "InvalidRequest",
    `what the other host expects is not guest ${instance} as it is: ${why}; let it dismiss that, and offer the guest anew`,
    { details: { instance } },
  );
}
