import { isLuksmithError } from "../errors/luksmith-error.ts";
import type { OpContext } from "../image/op-context.ts";
import type { CommandRunner } from "./command-runner.ts";

const TIMEOUT_MS = 10_000;

/**
 * Why a program cannot be used now; undefined if it can. Runs `PROGRAM --version`. For `ImageBackend.ready`.
 * @throws `Cancelled`
 */
export async function programTrouble(
  program: string,
  commands: CommandRunner,
  ctx: OpContext,
): Promise<string | undefined> {
  try {
    await commands.run({ file: program, args: ["--version"], timeoutMs: TIMEOUT_MS }, ctx);
    return undefined;
  } catch (error) {
    if (!isLuksmithError(error) || error.category === "cancelled") throw error;
    return error.message;
  }
}
