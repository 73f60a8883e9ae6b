import { isLuksmithError, LuksmithError } from "../errors/luksmith-error.ts";

const SAYS_FULL = /No space left|Disk quota exceeded|File too large/;

/** A tool's failure for want of space as `NoSpace`; anything else as it is. */
export function toolSpaceError(error: unknown, message: string): unknown {
  if (!isLuksmithError(error) || error.code !== "CommandFailed" || !SAYS_FULL.test(error.message)) {
    return error;
  }
  return new LuksmithError("NoSpace", message, { cause: error });
}
