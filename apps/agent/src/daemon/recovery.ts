import { setTimeout as sleep } from "node:timers/promises";
import type { OpContext, WritableHost } from "@luksmith/core/host";

const INTERVAL_MS = 60_000;

/**
 * Tries again and again to end what could not be ended, because a service was away. Needs no user where the host may do it by
 * itself; elsewhere the next request of the right user does it.
 */
export async function keepRecovering(host: WritableHost, ctx: OpContext): Promise<void> {
  for (;;) {
    await sleep(INTERVAL_MS, undefined, { signal: ctx.signal }).catch(() => {});
    if (ctx.signal.aborted) return;
    await host
      .recover(ctx)
      .catch((error: unknown) => ctx.log.error({ err: error }, "could not look for what is unfinished"));
    const { copies } = await host.services();
    await copies
      .purge(ctx)
      .catch((error: unknown) => ctx.log.error({ err: error }, "could not remove old copies of secrets"));
  }
}
