import { LuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { powerOn, trySettlePower } from "./power-on.ts";

export interface RebootOptions {
  /** Ends the guest as if the power failed, and starts it with its keys and definition as they are now. */
  readonly hard: boolean;
}

/**
 * Reboots a guest. A soft reboot only asks it. A hard one that a crash cuts short leaves a guest that is off and should
 * run; `resumeGuests` starts it.
 * @throws `InstanceNotFound`, `DomainNotFound`; `DomainStateConflict`: it is off; hard: as `powerOn`
 */
export async function rebootGuest(
  host: WritableHost,
  uuid: string,
  { hard }: RebootOptions,
  ctx: OpContext,
): Promise<void> {
  using _claim = host.claim(uuid);
  const found = findGuest(host, uuid);
  const { hypervisor } = await host.services();
  const up = isUp(await hypervisor.state(uuid, ctx));
  if (!hard) {
    if (!up) throw isOff(uuid);
    await hypervisor.reboot(uuid, ctx);
    return;
  }
  const operation = host.journal.begin("reboot", uuid, ctx, {});
  try {
    // Before the guest ends: from here on it is one that should run.
    operation.advance(() => host.inventory.guests.setWanted(uuid, "on"));
    await hypervisor.destroy(uuid, ctx);
    await powerOn(host, found, ctx);
  } catch (error) {
    await trySettlePower(host, operation, uuid, ctx);
    throw error;
  }
  operation.end("done");
  ctx.log.info({ instance: uuid }, "guest rebooted hard");
}

function isOff(uuid: string): LuksmithError {
  return new LuksmithError(
    "DomainStateConflict",
    `guest ${uuid} is off; "luksmith start ${uuid}" starts it`,
    { details: { guest: uuid } },
  );
}
