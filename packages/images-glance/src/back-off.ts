import { setTimeout as sleep } from "node:timers/promises";
import { cancelledError, type OpContext } from "@luksmith/core";

const BASE_MS = 200;
const MAX_MS = 10_000;

/**
 * Waits before the next try, longer each time; half of it is random, so that many hosts do not come back at once.
 * @param round 1 for the first
 * @throws `Cancelled`
 */
export async function backOff(round: number, { signal }: OpContext): Promise<void> {
  const ms = Math.min(MAX_MS, BASE_MS * 2 ** (round - 1));
  try {
    await sleep(ms / 2 + (Math.random() * ms) / 2, undefined, { signal });
  } catch {
    throw cancelledError(signal.reason);
  }
}
