import { errnoOf } from "../../errors/io-error.ts";
import { isLuksmithError } from "../../errors/luksmith-error.ts";
import { cancelledError, type OpContext } from "../../image/op-context.ts";

/** Waits for another's work, unless we are cancelled. */
export async function settled(
  making: Promise<unknown>,
  { signal }: OpContext,
): Promise<readonly PromiseSettledResult<unknown>[]> {
  if (signal.aborted) throw cancelledError(signal.reason);
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(cancelledError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([Promise.allSettled([making]), aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Also where it was cancelled below, before `operationError` says so. */
export function isCancelled(error: unknown): boolean {
  if (isLuksmithError(error)) return error.code === "Cancelled";
  return errnoOf(error) === "ABORT_ERR" || (error instanceof Error && error.name === "AbortError");
}
