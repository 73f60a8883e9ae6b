import type { OpContext } from "../../image/op-context.ts";
import type { GuestRecord } from "../../journal/guests.ts";
import type { WritableHost } from "../host.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { giveKeys } from "./guest-keys.ts";
import { powerOn, trySettlePower } from "./power-on.ts";

/**
 * Starts a guest, with its keys; from now on the host brings it back after a reboot of its own. One that runs is left
 * running, and keys that the hypervisor has forgotten are given again.
 * @throws `InstanceNotFound`, `DomainNotFound`, and as `powerOn`; the guest is off then
 */
export async function startGuest(host: WritableHost, uuid: string, ctx: OpContext): Promise<GuestRecord> {
  using _claim = host.claim(uuid);
  const found = findGuest(host, uuid);
  const services = await host.services();
  const started: GuestRecord = { ...found.guest, wanted: "on" };
  if (isUp(await services.hypervisor.state(uuid, ctx))) {
    await giveKeys(services, found.instance, "absent", ctx);
    host.inventory.guests.setWanted(uuid, "on");
    return started;
  }
  const operation = host.journal.begin("start", uuid, ctx, {});
  try {
    await powerOn(host, found, ctx);
  } catch (error) {
    await trySettlePower(host, operation, uuid, ctx);
    throw error;
  }
  operation.end("done", () => host.inventory.guests.setWanted(uuid, "on"));
  ctx.log.info({ instance: uuid }, "guest started");
  return started;
}
