import { localDevices } from "../../disk/block-device-info.ts";
import type { HostConfig } from "../../config/host-config.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { ImageDisk } from "../../image/image-disk.ts";
import type { InstanceRequest } from "../../request/instance-request.ts";
import { type InstancePlan, placeDisks, planInstance } from "./plan-instance.ts";

/** What stays of a disk that is made anew. */
export type KnownDisk = Pick<ImageDisk, "name" | "uuid" | "encryption">;

/**
 * The plan of a request whose disks were made once before: each keeps its block device's UUID and its secret, as Nova
 * does in a rebuild, so that the user who owns a secret goes on owning it.
 * @throws `InvalidRequest`: the request has other disks, or other ones of them encrypted; and as `planInstance`
 */
export function planAgain(
  config: HostConfig,
  request: InstanceRequest,
  known: readonly KnownDisk[],
): InstancePlan {
  const plan = planInstance(config, request);
  const names = plan.disks.map(({ name }) => name);
  const before = known.map(({ name }) => name);
  if (names.toSorted().join() !== before.toSorted().join()) {
    throw differs(request, `asks for the disks ${listed(names)}, and the instance has ${listed(before)}`);
  }
  const blockDeviceInfo = structuredClone(plan.blockDeviceInfo);
  for (const device of localDevices(blockDeviceInfo)) {
    const local = plan.disks.find(({ uuid }) => uuid === device.uuid);
    const disk = known.find(({ name }) => name === local?.name);
    if (!local || !disk) continue;
    const { format, secretId } = disk.encryption ?? {};
    if (format !== local.encryption?.format) {
      const [was, would] = [format ?? "plain", local.encryption?.format ?? "plain"];
      throw differs(request, `would make ${local.name} ${would}, and it is ${was}`);
    }
    device.uuid = disk.uuid;
    if (secretId) device.encryption_secret_uuid = secretId;
  }
  return { ...placeDisks(config, request, blockDeviceInfo), sharedKey: false };
}

function listed(names: readonly string[]): string {
  return names.join(", ") || "none";
}

function differs({ server }: InstanceRequest, what: string): LuksmithError {
  return new LuksmithError(
    "InvalidRequest",
    `the request for instance ${server.id} ${what}; nothing was changed: delete the instance, and make another`,
    { details: { instance: server.id } },
  );
}
