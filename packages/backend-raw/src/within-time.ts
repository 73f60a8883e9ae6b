import { LuksmithError } from "@luksmith/core";

/**
 * Does some work with a signal that fires also when its time is over.
 * @param what for the message: what took so long
 * @throws `CommandTimedOut`; what the work throws
 */
export async function withinTime<T>(
  timeoutMs: number,
  signal: AbortSignal,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    return await work(AbortSignal.any([signal, limit]));
  } catch (error) {
    if (signal.aborted || error !== limit.reason) throw error;
    throw new LuksmithError(
      "CommandTimedOut",
      `${what} did not end within ${timeoutMs / 1000} s and was given up; what was begun was given back, raise [luksmith] command_timeout`,
      { cause: error },
    );
  }
}
