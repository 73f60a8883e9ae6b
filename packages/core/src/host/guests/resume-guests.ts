import { LuksmithError, isLuksmithError } from "../../errors/luksmith-error.ts";
import type { OpContext } from "../../image/op-context.ts";
import type { WritableHost } from "../host.ts";
import { findGuest, isUp } from "./find-guest.ts";
import { giveKeys, presentKeys } from "./guest-keys.ts";
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
  /** Whether what failed may succeed later by itself. */
  readonly retryable?: boolean;
}

export interface ResumeOptions {
  /** Which guests may be started; others that are off are left out. Default: all. Those that run get keys in any case. */
  readonly mayStart?: (uuid: string) => boolean;
}

/**
 * Brings a host's guests back after a reboot of the host, or a restart of the hypervisor or of Luksmith: those that
 * should run are started, with the keys that this host may read by itself; those that run are left running, and get keys
 * again that the hypervisor has forgotten. Idempotent; one that fails does not keep the others.
 */
export async function resumeGuests(
  host: WritableHost,
  ctx: OpContext,
  { mayStart = () => true }: ResumeOptions = {},
): Promise<readonly ResumedGuest[]> {
  const wanted = host.inventory.guests.all().filter((guest) => guest.wanted === "on" && !guest.moving);
  if (wanted.length === 0) return [];
  const resumed: (ResumedGuest | undefined)[] = [];
  try {
    const present = await presentKeys(await host.services(), ctx);
    const left = wanted.entries();
    const work = async (): Promise<void> => {
      // Shared by all of them.
      for (const [index, { uuid }] of left) {
        if (ctx.signal.aborted) return;
        resumed[index] = await resume(host, uuid, present, mayStart, ctx);
      }
    };
    // A guest whose storage is away takes a minute to fail; the others need not wait for it.
    await Promise.all(Array.from({ length: host.config.luksmith.guest_starts_at_once }, work));
  } catch (error) {
    // The hypervisor is away: asking it once is enough.
    return wanted.map(({ uuid }) => failed(host, uuid, false, error));
  }
  return resumed.filter((one) => one !== undefined);
}

async function resume(
  host: WritableHost,
  uuid: string,
  present: ReadonlySet<string>,
  mayStart: (uuid: string) => boolean,
  ctx: OpContext,
): Promise<ResumedGuest | undefined> {
  let running = false;
  try {
    const services = await host.services();
    running = isUp(await services.hypervisor.state(uuid, ctx));
    if (!running && !mayStart(uuid)) return undefined;
    const { instance } = findGuest(host, uuid);
    const { name } = instance;
    if (running) {
      // Not while another operation takes its keys away.
      using claim = host.takeOver(uuid);
      if (!claim) throw busy(uuid);
      const given = await giveKeys(services, instance, { present }, ctx);
      return { uuid, name, outcome: given > 0 ? "healed" : "running", running };
    }
    await startGuest(host, uuid, ctx);
    return { uuid, name, outcome: "started", running: true };
  } catch (error) {
    return failed(host, uuid, running, error);
  }
}

function failed(host: WritableHost, uuid: string, running: boolean, error: unknown): ResumedGuest {
  const name = host.inventory.instance(uuid)?.name;
  const code = isLuksmithError(error) ? error.code : undefined;
  return {
    uuid,
    name,
    outcome: code === "TokenMissing" ? "waiting" : "failed",
    running,
    error: error instanceof Error ? error.message : String(error),
    // What another operation has left is ended sooner or later.
    retryable: code === "RecoveryIncomplete" || (isLuksmithError(error) && error.retryable),
  };
}

function busy(uuid: string): LuksmithError {
  return new LuksmithError("InstanceBusy", `another operation on ${uuid} is running; wait for it`, {
    details: { subject: uuid },
    retryable: true,
  });
}
