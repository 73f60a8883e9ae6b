import { isLuksmithError, LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { InstanceRecord } from "../../journal/inventory.ts";
import type { HostServices } from "../host-services.ts";

/** The hypervisor failed and may not know why: its guest's last words get lost now and then. */
const UNEXPLAINED = "LibvirtFailed";
const NOT_OPENED = /^Luks|^DiskNotProven$/;

/**
 * Starts a guest that is defined and has its keys. Where it does not start and the hypervisor cannot tell why, its disks are
 * opened here with their stored passphrases, so that a damaged header is called that.
 * @throws what the hypervisor's `start` throws
 */
export async function startDefined(
  services: HostServices,
  instance: Pick<InstanceRecord, "uuid" | "disks">,
  ctx: OpContext,
): Promise<void> {
  try {
    await services.hypervisor.start(instance.uuid, ctx);
  } catch (error) {
    if (!isLuksmithError(error) || error.code !== UNEXPLAINED) throw error;
    throw (await unopened(services, instance, error, ctx)) ?? error;
  }
}

async function unopened(
  services: HostServices,
  { uuid, disks }: Pick<InstanceRecord, "uuid" | "disks">,
  cause: Error,
  ctx: OpContext,
): Promise<LuksmithError | undefined> {
  for (const disk of disks) {
    const image = services.backend(disk.backend).image(disk);
    try {
      await image.requireOpens(ctx);
    } catch (error) {
      // What else keeps it from being opened here, a passphrase that only the hypervisor has for one, says nothing.
      if (!isLuksmithError(error) || !NOT_OPENED.test(error.code)) continue;
      return new LuksmithError(
        "GuestDiskNotOpened",
        `starting guest ${uuid} failed: ${image.label} does not open with its stored passphrase: ${error.message}; luksmith verify tells more, nothing was changed`,
        { cause, details: { guest: uuid, disk: disk.name, path: disk.path, reason: error.message } },
      );
    }
  }
  return undefined;
}
