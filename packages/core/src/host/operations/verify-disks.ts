import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { VerifyReport } from "../../image/verify-report.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { ReadableHost } from "../host.ts";

export interface InstanceReport {
  readonly uuid: string;
  readonly disks: readonly VerifyReport[];
}

/** @throws `InstanceNotFound` */
export function findInstance(host: ReadableHost, uuid: string): InstanceRecord {
  const instance = host.inventory?.instance(uuid);
  if (instance) return instance;
  throw new LuksmithError(
    "InstanceNotFound",
    `instance ${uuid} has no disks on this host; "luksmith list" shows those that have`,
    {
      details: { instance: uuid },
    },
  );
}

/** Looks at the disks of one instance, or of all; changes nothing. */
export async function verifyDisks(
  host: ReadableHost,
  uuid: string | undefined,
  ctx: OpContext,
): Promise<readonly InstanceReport[]> {
  const instances = uuid === undefined ? (host.inventory?.instances() ?? []) : [findInstance(host, uuid)];
  const reports: InstanceReport[] = [];
  for (const instance of instances) {
    const services = await host.services();
    const disks: VerifyReport[] = [];
    for (const disk of instance.disks)
      disks.push(await services.backend(disk.backend).image(disk).verify(ctx));
    reports.push({ uuid: instance.uuid, disks });
  }
  return reports;
}
