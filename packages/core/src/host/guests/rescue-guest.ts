import { randomUUID } from "node:crypto";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { ImageFile, ImageMetadata } from "../../images/image-service.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { DiskRecord } from "../../journal/inventory.ts";
import type { Operation } from "../../journal/journal.ts";
import { secretName } from "../../key-manager/key-manager.ts";
import type { WritableHost } from "../host.ts";
import { contentToWrite } from "../operations/content-to-write.ts";
import { makeDisk } from "../operations/make-disk.ts";
import { OperationSecrets } from "../operations/operation-secrets.ts";
import { requireAbsent, requireSpace } from "../operations/prepare-create.ts";
import { sagaStep } from "../operations/steps.ts";
import { takeBack } from "../operations/undo.ts";
import { type FoundGuest, findGuest, isUp } from "./find-guest.ts";
import { guestKeys } from "./guest-keys.ts";
import { backOn, closeAgain, powerOn } from "./power-on.ts";
import { RESCUE_DISK, rescueInfo } from "./rescue-view.ts";
import { powerOff } from "./stop-guest.ts";

export interface RescueOptions {
  /** The image to boot, with what is declared of it, if anything is. */
  readonly image: { readonly id: string; readonly declared?: ImageMetadata };
  /** How long the guest may take to shut down; 0: none. */
  readonly timeoutMs: number;
}

const SECTOR = 512n;

/**
 * Boots a guest from another image, with its own root disk behind it. The rescue disk is encrypted if the root disk is,
 * with a passphrase of its own. All of it or nothing: what fails or is killed leaves the guest as it was, perhaps off.
 * @throws `DomainStateConflict`: it is rescued already; what a create refuses about an image; and as `startGuest`
 */
export async function rescueGuest(
  host: WritableHost,
  uuid: string,
  options: RescueOptions,
  ctx: OpContext,
): Promise<GuestRecord> {
  using _claim = host.claim(uuid);
  const found = findGuest(host, uuid);
  if (found.guest.rescued) throw isRescued(uuid);
  const services = await host.services();
  const wasUp = isUp(await services.hypervisor.state(uuid, ctx));
  await using file = await services.images.open(options.image.id, options.image.declared, ctx);
  const disk = rescueDisk(found, file);
  const image = services.chosenBackend.image(disk);
  image.requireEncryptionSupport();
  await requireAbsent(image, ctx);
  const { capabilities } = services.chosenBackend;
  const bytes = await contentToWrite(
    file,
    services.cache,
    capabilities,
    host.config.DEFAULT.force_raw_images,
  );
  await requireSpace([{ disk, image, ...bytes }], ctx);
  const names = disk.encryption ? [secretName(uuid, disk.uuid)] : [];
  const secrets = await OperationSecrets.plan(services.keys, names, found.instance, ctx);
  const operation = host.journal.begin("rescue", uuid, ctx, {}, secrets.steps);
  try {
    const record = await makeRescueDisk(host, disk, file, secrets, operation, ctx);
    const keys = guestKeys({ uuid, disks: [record] }).filter(({ use }) => use.kind === "disk");
    operation.intend(
      sagaStep({ kind: "take-keys", data: { keys } }),
      sagaStep({ kind: "power", data: { uuid } }),
    );
    await powerOff(services.hypervisor, uuid, new Date(Date.now() + options.timeoutMs), ctx);
    const rescued = inRescue(host, found, record);
    const { disks } = await powerOn(host, rescued, ctx);
    const shown = disks.find(({ name }) => name === RESCUE_DISK) ?? record;
    operation.end("done", () => {
      host.inventory.addDisk(shown, disks.length);
      host.inventory.guests.setRescued(uuid, rescued.instance.diskInfo);
      host.inventory.guests.setWanted(uuid, "on");
    });
    ctx.log.info({ instance: uuid, image: options.image.id }, "guest rescued");
    return { ...rescued.guest, wanted: "on" };
  } catch (error) {
    const raised = await takeBack(services, operation, error, ctx, secrets);
    if (wasUp) await backOn(host, found, ctx);
    else await closeAgain(host, found, ctx);
    throw raised;
  }
}

function rescueDisk({ instance }: FoundGuest, file: ImageFile): ImageDisk {
  const encrypted = instance.disks.some(({ name, encryption }) => name === "disk" && encryption);
  if (file.encryption && !encrypted) {
    throw new LuksmithError(
      "FlavorImageConflict",
      `image ${file.id} is encrypted, but the disks of instance ${instance.uuid} are not; rescue it with a plain image`,
    );
  }
  return {
    instanceUuid: instance.uuid,
    name: RESCUE_DISK,
    uuid: randomUUID(),
    virtualSize: ((file.virtualSize + SECTOR - 1n) / SECTOR) * SECTOR,
    ...(encrypted ? { encryption: { format: "luks", secretId: null } } : {}),
  };
}

async function makeRescueDisk(
  host: WritableHost,
  planned: ImageDisk,
  file: ImageFile,
  secrets: OperationSecrets,
  operation: Operation,
  ctx: OpContext,
): Promise<DiskRecord> {
  const services = await host.services();
  const backend = services.chosenBackend;
  using passphrase = planned.encryption ? services.luks.generatePassphrase() : undefined;
  const consumer = { resourceType: "disk", resourceId: planned.uuid } as const;
  const name = secretName(planned.instanceUuid, planned.uuid);
  const secret = passphrase && (await secrets.make(operation, name, passphrase, consumer, ctx));
  const disk: ImageDisk = secret
    ? { ...planned, encryption: { format: "luks", secretId: secret.id } }
    : planned;
  return await makeDisk(backend, disk, { kind: "image", image: file }, passphrase, operation, ctx);
}

function inRescue(host: WritableHost, { instance, guest }: FoundGuest, disk: DiskRecord): FoundGuest {
  const mapping = rescueInfo(instance, host.config).mapping[RESCUE_DISK];
  if (!mapping) throw new Error("a rescue has a rescue disk");
  const diskInfo = {
    ...instance.diskInfo,
    mapping: { ...instance.diskInfo.mapping, [RESCUE_DISK]: mapping },
  };
  return {
    instance: { ...instance, diskInfo, disks: [...instance.disks, disk] },
    guest: { ...guest, rescued: true },
  };
}

function isRescued(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is rescued already; "luksmith unrescue ${uuid}" ends that`,
    { details: { guest: uuid } },
  );
}
