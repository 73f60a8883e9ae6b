import { setTimeout as wait } from "node:timers/promises";
import { cancelledError, type OpContext } from "@luksmith/core";

/** @throws `Cancelled` as soon as `ctx.signal` says so */
export async function sleep(ms: number, ctx: OpContext): Promise<void> {
  try {
    await wait(ms, undefined, { signal: ctx.signal });
  } catch {
    throw cancelledError(ctx.signal.reason);
  }
}
