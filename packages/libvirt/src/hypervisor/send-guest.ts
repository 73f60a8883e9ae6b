import { setTimeout as sleep } from "node:timers/promises";
import { cancelledError, LuksmithError, type OpContext } from "@luksmith/core";
import type { Libvirt } from "../libvirt.ts";
import type { Migration } from "../libvirt-migrations.ts";

type Sender = Pick<Libvirt, "domains" | "migrations">;

const POLL_MS = 100;
/** Disks are large. Whoever waits can cancel. */
const SEND_TIMEOUT_MS = 7 * 24 * 3_600_000;
/** For libvirt to give a migration up. */
const STOP_TIMEOUT_MS = 60_000;

/**
 * Runs a migration to its end, tells how far it is, and has libvirt give it up when it is cancelled: then it returns only
 * when libvirt has, since until then nobody knows where the guest will be. One that was too far to be given up succeeds.
 * @throws `Cancelled`, and as `LibvirtMigrations.run`
 */
export async function sendGuest(
  libvirt: Sender,
  uuid: string,
  migration: Omit<Migration, "timeoutMs">,
  ctx: OpContext,
): Promise<void> {
  const steady = { ...ctx, signal: new AbortController().signal };
  const sent = libvirt.migrations.run(uuid, { ...migration, timeoutMs: SEND_TIMEOUT_MS }, steady).then(
    () => ({ ok: true }) as const,
    (error: unknown) => ({ ok: false, error }) as const,
  );
  let cancelledAt: number | undefined;
  for (;;) {
    const outcome = await Promise.race([sent, sleep(POLL_MS)]);
    if (outcome?.ok === false) {
      throw cancelledAt === undefined ? outcome.error : cancelledError(ctx.signal.reason);
    }
    if (outcome) return;
    if (ctx.signal.aborted) {
      cancelledAt ??= Date.now();
      if (Date.now() - cancelledAt > STOP_TIMEOUT_MS) throw notStopped(uuid);
      // Before it has begun there is nothing to end, so it is asked again.
      await giveUp(libvirt, uuid, steady);
    } else {
      await tell(libvirt, uuid, steady);
    }
  }
}

/** Ends a migration that perhaps another process began, and returns when none goes on. */
export async function stopSending(libvirt: Sender, uuid: string, ctx: OpContext): Promise<void> {
  const end = Date.now() + STOP_TIMEOUT_MS;
  while (await libvirt.migrations.job(uuid, ctx)) {
    if (Date.now() > end) throw notStopped(uuid);
    await giveUp(libvirt, uuid, ctx);
    await sleep(POLL_MS);
  }
}

/**
 * Not while the guest stands still to change hosts: QEMU 7.2 gives up then, but libvirt 9.0 waits for it for ever. It is a
 * matter of moments, after which the guest is there or goes on here.
 */
async function giveUp({ domains, migrations }: Sender, uuid: string, ctx: OpContext): Promise<void> {
  if ((await domains.state(uuid, ctx)) !== "paused") await migrations.abort(uuid, ctx);
}

/** What it cannot tell is no reason to fail. */
async function tell({ migrations }: Sender, uuid: string, ctx: OpContext): Promise<void> {
  const job = await migrations.job(uuid, ctx).catch(() => undefined);
  if (job && job.total > 0n) {
    ctx.progress?.({ step: "send guest", doneBytes: job.done, totalBytes: job.total });
  }
}

function notStopped(uuid: string): LuksmithError {
  return new LuksmithError(
    "LibvirtTimedOut",
    `libvirt does not give up the migration of guest ${uuid}; see what it waits for with virsh domjobinfo; if for nothing, restart its daemon, under which guests go on, then run "luksmith recover"`,
    { details: { guest: uuid } },
  );
}
