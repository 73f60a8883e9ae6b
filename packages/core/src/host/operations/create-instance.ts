import { GeneratedPassphrase, type LuksEngine } from "@luksmith/luks";
import { localDevices } from "../../disk/block-device-info.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ImageBackend } from "../../image/image-backend.ts";
import type { DiskEncryption } from "../../image/image-disk.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { DiskRecord, InstanceRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import { type SecretRef, secretName, sharedSecretName } from "../../key-manager/key-manager.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import type { WritableHost } from "../host.ts";
import type { HostServices } from "../host-services.ts";
import { makeDisk } from "./make-disk.ts";
import { OperationSecrets } from "./operation-secrets.ts";
import { type InstancePlan, placeDisks, planInstance } from "./plan-instance.ts";
import { type KnownDisk, planAgain } from "./plan-again.ts";
import { type PreparedDisk, prepareCreate } from "./prepare-create.ts";
import { recallPassphrase } from "./recall-passphrase.ts";
import { takeBack } from "./undo.ts";

/** A disk with the passphrase that was made for it. */
interface KeyedDisk extends PreparedDisk {
  readonly passphrase: GeneratedPassphrase | undefined;
}

interface MadeSecret extends SecretRef {
  readonly passphrase: GeneratedPassphrase;
}

/** What an operation does besides making disks. */
export interface CreateStage {
  readonly kind: "spawn";
  /** Disks that there were on another host: each gets its UUID and its secret again. */
  readonly known?: readonly KnownDisk[];
  /** Refuses what can be refused, before anything changes. */
  readonly prepare: () => Promise<void>;
  /**
   * Goes on when the disks are made; whatever it does is in the journal before it acts, and taken back with the disks.
   * @returns what the inventory gets besides, in the same transaction
   */
  readonly finish: (made: InstanceRecord, operation: Operation) => Promise<() => void>;
}

/**
 * Makes every local disk of an instance: secrets first, then the disks, then the inventory, each step in the journal
 * before it acts. All of it or nothing: what fails, is cancelled or killed is taken back.
 * @throws `InstanceExists`, what `prepareCreate` refuses, and whatever went wrong on the way
 */
export async function createInstance(
  host: WritableHost,
  request: InstanceRequest,
  ctx: OpContext,
  stage?: CreateStage,
): Promise<InstanceRecord> {
  const { id } = request.server;
  using _claim = host.claim(id);
  if (host.inventory.instance(id)) {
    throw new LuksmithError(
      "InstanceExists",
      `instance ${id} has disks on this host already; delete it first, or use another server id`,
      { details: { instance: id } },
    );
  }
  const plan = stage?.known
    ? planAgain(host.config, request, stage.known)
    : planInstance(host.config, request);
  const services = await host.services();
  await using stack = new AsyncDisposableStack();
  const prepared = await prepareCreate(plan, services, host.config, stack, ctx);
  await stage?.prepare();
  const names = [...new Set(prepared.flatMap((each) => secretNameOf(plan, each)))];
  const projectId = request.server.tenant_id ?? undefined;
  const secrets = await OperationSecrets.plan(services.keys, names, { uuid: id, projectId }, ctx);
  const operation = host.journal.begin(stage?.kind ?? "create", id, ctx, {}, secrets.steps);
  try {
    const made = await makeDisks(host, services, plan, prepared, secrets, operation, ctx);
    const more = await stage?.finish(made, operation);
    operation.end("done", () => {
      host.inventory.addInstance(made);
      more?.();
    });
    ctx.log.info({ instance: id, disks: made.disks.length }, "instance created");
    return made;
  } catch (error) {
    ctx.log.info({ instance: id, err: error }, "create failed, taking it back");
    throw await takeBack(services, operation, error, ctx, secrets);
  }
}

async function makeDisks(
  host: WritableHost,
  services: HostServices,
  plan: InstancePlan,
  prepared: readonly PreparedDisk[],
  secrets: OperationSecrets,
  operation: Operation,
  ctx: OpContext,
): Promise<InstanceRecord> {
  using passphrases = new DisposableStack();
  const keyed: KeyedDisk[] = [];
  const backend = services.chosenBackend;
  const made = new Map<string, MadeSecret>();
  for (const each of prepared) {
    keyed.push(await keyDisk(plan, each, made, services, secrets, operation, passphrases, ctx));
  }
  const { diskInfo, blockDeviceInfo } = placeDisks(host.config, plan.request, withSecrets(plan, keyed));
  const disks: DiskRecord[] = [];
  for (const { disk, source, passphrase } of keyed) {
    throwIfCancelled(ctx);
    disks.push(await makeDisk(backend, disk, source, passphrase, operation, ctx));
  }
  return {
    uuid: plan.request.server.id,
    name: plan.request.server.name ?? undefined,
    projectId: plan.request.server.tenant_id ?? secrets.scope,
    createdAt: new Date().toISOString(),
    diskInfo,
    blockDeviceInfo,
    disks,
    pending: undefined,
  };
}

/**
 * Gives a disk its secret: the one that it had (on another host), that of the instance's other disks, or a new one.
 * @param made those that this operation has made, by name
 */
async function keyDisk(
  plan: InstancePlan,
  prepared: PreparedDisk,
  made: Map<string, MadeSecret>,
  services: HostServices,
  secrets: OperationSecrets,
  operation: Operation,
  passphrases: DisposableStack,
  ctx: OpContext,
): Promise<KeyedDisk> {
  const { luks, keys, chosenBackend } = services;
  const { encryption, uuid } = prepared.disk;
  if (!encryption) return { ...prepared, passphrase: undefined };
  if (encryption.secretId) {
    return { ...prepared, passphrase: passphrases.use(await recallPassphrase(keys, prepared.disk, ctx)) };
  }
  const [name = ""] = secretNameOf(plan, prepared);
  let secret = made.get(name);
  if (!secret) {
    const passphrase = passphrases.use(newSecret(encryption, chosenBackend, luks));
    const consumer = { resourceType: "disk", resourceId: uuid } as const;
    secret = { passphrase, ...(await secrets.make(operation, name, passphrase, consumer, ctx)) };
    made.set(name, secret);
  }
  const { passphrase, id: secretId } = secret;
  return { ...prepared, passphrase, disk: { ...prepared.disk, encryption: { ...encryption, secretId } } };
}

/** A passphrase; for a format without a header, a key of the length that it is opened with. */
function newSecret({ format }: DiskEncryption, backend: ImageBackend, luks: LuksEngine): GeneratedPassphrase {
  const bits = backend.optionsOf?.(format)?.key_size;
  return bits === undefined ? luks.generatePassphrase() : GeneratedPassphrase.hexKey(bits);
}

/** The name of the secret that a disk still has to get; with one key for all disks, theirs. */
function secretNameOf({ sharedKey, request }: InstancePlan, { disk }: PreparedDisk): readonly string[] {
  if (!disk.encryption || disk.encryption.secretId) return [];
  return [sharedKey ? sharedSecretName(request.server.id) : secretName(disk.instanceUuid, disk.uuid)];
}

/** block_device_info with the ids of the secrets, as Nova saves them to the block device mappings. */
function withSecrets(plan: InstancePlan, keyed: readonly KeyedDisk[]): InstancePlan["blockDeviceInfo"] {
  const info = structuredClone(plan.blockDeviceInfo);
  for (const device of localDevices(info)) {
    const encryption = keyed.find(({ disk }) => disk.uuid === device.uuid)?.disk.encryption;
    if (encryption?.secretId) device.encryption_secret_uuid = encryption.secretId;
    if (encryption?.options) device.encryption_options = encryption.options;
  }
  return info;
}
