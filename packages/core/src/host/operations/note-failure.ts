import { isLuksmithError } from "../../errors/luksmith-error.ts";
import type { Operation } from "../../journal/journal.ts";

/** Notes why an operation could not be ended, so that people see what waits. A journal that cannot be written now stays as it is. */
export function noteFailure(operation: Operation, error: unknown): void {
  try {
    operation.failed(error instanceof Error ? error.message : String(error));
  } catch (failure) {
    if (!isLuksmithError(failure)) throw failure;
  }
}
