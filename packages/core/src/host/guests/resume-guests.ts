import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { giveKeys } from "./guest-keys.ts";
import { startGuest } from "./start-guest.ts";

export interface ResumedGuest {
  /** The instance's. */
  readonly uuid: string;
  readonly name: string | undefined;
  /**
   * `started`: was off; `running`: nothing was needed; `healed`: runs, and the hypervisor had forgotten keys of it;
   * `waiting`: somebody with a token has to start it (or, if it runs, to give its keys again).
   */
  readonly outcome: "started" | "running" | "healed" | "waiting" | "failed";
  /** Whether it runs now. */
  readonly running: boolean;
  readonly error?: string;
}

/**
 * Brings a host's guests back after a reboot of the host, or a restart of the hypervisor or of Luksmith: those that
 * should run are started, with the keys that this host may read by itself; those that run are left running, and get keys
 * again that the hypervisor has forgotten. Idempotent; one that fails does not keep the others.
 */
export async function resumeGuests(host: WritableHost, ctx: OpContext): Promise<readonly ResumedGuest[]> {
  const resumed: ResumedGuest[] = [];
  for (const { uuid, wanted, moving } of host.inventory.guests.all()) {
    if (wanted === "off" || moving) continue;
    const one = await resume(host, uuid, ctx);
    if (one.outcome !== "running") ctx.log.info({ instance: uuid, outcome: one.outcome }, "guest resumed");
    resumed.push(one);
  }
  return resumed;
}

async function resume(host: WritableHost, uuid: string, ctx: OpContext): Promise<ResumedGuest> {
  const { instance } = findGuest(host, uuid);
  const { name } = instance;
  let running = false;
  try {
    const services = await host.services();
    running = isUp(await services.hypervisor.state(uuid, ctx));
    if (running) {
      const given = await giveKeys(services, instance, "absent", ctx);
      return { uuid, name, outcome: given > 0 ? "healed" : "running", running };
    }
    await startGuest(host, uuid, ctx);
    return { uuid, name, outcome: "started", running: true };
  } catch (error) {
    const waiting = isLuksmithError(error) && error.code === "TokenMissing";
    const message = error instanceof Error ? error.message : String(error);
    return { uuid, name, outcome: waiting ? "waiting" : "failed", running, error: message };
  }
}
