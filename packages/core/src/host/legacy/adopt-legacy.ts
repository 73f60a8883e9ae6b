import { randomUUID } from "node:crypto";
import type { EncryptionOptions } from "../../disk/disk-info.ts";
import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import type { BackendExtension, FoundDisk, ImageBackend, KeyOptions } from "../../image/image-backend.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { WritableHost } from "../host.ts";
import { requireKeyOwner } from "../operations/key-owner.ts";
import { adoptedDocuments, inGuestOrder } from "./adopted-documents.ts";

export interface AdoptLegacy {
  readonly uuid: string;
  /** Nova's `ephemeral_key_uuid`. */
  readonly secretId: string;
  /** What is known of how its disks are opened (`cipher`, `key_size`, `hash`); the rest as the host's configuration says, or tried. */
  readonly options: EncryptionOptions;
  readonly projectId: string | undefined;
  /** Also disks on which nothing shows that the key is the right one; only with a known hash. */
  readonly acceptUnproven: boolean;
}

/**
 * Takes an instance's plain disks, which Nova has made, into the inventory, as they are: nothing on the disks changes. The key stays
 * whose it is, also when the disks are migrated or deleted.
 * @throws `InstanceExists`, `InstanceNotFound`, `DiskNotProven`, `EphemeralEncryptionSecretNotFound`, `InvalidRequest`
 */
export async function adoptLegacy(
  host: WritableHost,
  request: AdoptLegacy,
  ctx: OpContext,
): Promise<InstanceRecord> {
  const { uuid } = request;
  using _claim = host.claim(uuid);
  if (host.inventory.instance(uuid)) {
    throw new LuksmithError("InstanceExists", `instance ${uuid} is in the inventory already`, {
      details: { instance: uuid },
    });
  }
  const services = await host.services();
  const owner = await requireKeyOwner(services.keys, uuid, request.projectId, ctx);
  using _readable = await services.keys.get({ id: request.secretId }, ctx);
  const disks: DiskRecord[] = [];
  for (const extension of services.backendExtensions) {
    const found = (await extension.find?.(ctx)) ?? [];
    for (const one of found.filter(({ instanceUuid }) => instanceUuid === uuid)) {
      disks.push(await recordOf(services.backend(extension.backend), extension, one, request, ctx));
    }
  }
  if (disks.length === 0) {
    throw new LuksmithError(
      "InstanceNotFound",
      `nothing on this host's storage is named like a disk of instance ${uuid}; "luksmith legacy list" shows what there is`,
      { details: { instance: uuid } },
    );
  }
  disks.sort((a, b) => inGuestOrder(a.name, b.name));
  const instance: InstanceRecord = {
    uuid,
    name: undefined,
    projectId: request.projectId ?? owner,
    createdAt: new Date().toISOString(),
    ...adoptedDocuments(disks),
    disks,
    pending: undefined,
  };
  host.inventory.transaction(() => host.inventory.addInstance(instance));
  ctx.log.info({ instance: uuid, disks: disks.length }, "plain disks adopted");
  return instance;
}

async function recordOf(
  backend: ImageBackend,
  extension: BackendExtension,
  found: FoundDisk,
  request: AdoptLegacy,
  ctx: OpContext,
): Promise<DiskRecord> {
  const choices = extension.optionsToTry(request.options);
  const uuid = randomUUID();
  const disk = (options: KeyOptions): ImageDisk => ({
    instanceUuid: found.instanceUuid,
    name: found.name,
    uuid,
    virtualSize: found.bytes,
    encryption: { format: "plain", secretId: request.secretId, options: { ...options, adopted: true } },
  });
  const proven: KeyOptions[] = [];
  const why: string[] = [];
  for (const options of choices) {
    const evidence = await evidenceOf(backend, disk(options), why, ctx);
    if (evidence !== undefined) proven.push(options);
  }
  const [only, ...more] = proven.length > 0 || !request.acceptUnproven ? proven : choices;
  if (!only || more.length > 0) throw unproven(found, choices, why);
  const image = backend.image(disk(only));
  const identity = await image.identify(ctx);
  if (!identity) throw new LuksmithError("DiskNotFound", `${found.path} vanished just now`);
  const createdAt = new Date().toISOString();
  return {
    ...disk(only),
    backend: backend.name,
    path: image.path,
    source: image.source(),
    identity,
    createdAt,
  };
}

async function evidenceOf(
  backend: ImageBackend,
  disk: ImageDisk,
  why: string[],
  ctx: OpContext,
): Promise<string | undefined> {
  try {
    return await backend.image(disk).evidence?.(ctx);
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== "DiskNotProven") throw error;
    why.push(error.message);
    return undefined;
  }
}

function unproven(found: FoundDisk, tried: readonly KeyOptions[], why: readonly string[]): LuksmithError {
  const hashes = tried.map(({ hash }) => String(hash)).join(" and ");
  const detail = why.length > 0 ? ` (${why.join("; ")})` : "";
  return new LuksmithError(
    "DiskNotProven",
    `nothing shows that ${found.path} is opened by this key with hash ${hashes}${detail}: the key, its hash, cipher or size may be another, or the volume is not encrypted at all; nothing was changed. If you know it, give --hash, and --accept-unproven`,
    { details: { path: found.path, tried } },
  );
}
