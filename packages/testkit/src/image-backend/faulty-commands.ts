import {
  cancelledError,
  type Command,
  type CommandResult,
  type CommandRunner,
  LuksmithError,
  type OpContext,
} from "@luksmith/core";

/**
 * How a command goes wrong:
 * - `fails`: exits with 1, having done nothing
 * - `fails-late`: exits with 1, having done its work
 * - `dies`: is killed by a signal, having done nothing
 * - `hangs`: has done its work and does not end until its time is up
 * - `is-cancelled`: hangs until the operation is cancelled
 * - `fills-disk`: finds no space
 */
export type CommandFault = "fails" | "fails-late" | "dies" | "hangs" | "is-cancelled" | "fills-disk";

export const COMMAND_FAULTS: readonly CommandFault[] = [
  "fails",
  "fails-late",
  "dies",
  "hangs",
  "is-cancelled",
  "fills-disk",
];

interface Plan {
  /** Which command from now on, from 1. */
  readonly at: number;
  readonly fault: CommandFault;
  /** Cancels the operation. */
  readonly cancel: () => void;
}

/** Runs commands through another runner, but for the one that is to go wrong. */
export class FaultyCommands implements CommandRunner {
  readonly #runner: CommandRunner;
  #plan: Plan | undefined;
  #count = 0;
  #struck: string | undefined;
  #deaf = false;

  constructor(runner: CommandRunner) {
    this.#runner = runner;
  }

  /** One command will go wrong, the others not. */
  arm(plan: Plan): void {
    this.#plan = plan;
    this.#count = 0;
    this.#struck = undefined;
    this.#deaf = false;
  }

  /** No command goes wrong any more. @returns the program that did; undefined: there were not that many commands */
  disarm(): string | undefined {
    this.#plan = undefined;
    return this.#struck;
  }

  /** Whether the last one to be cancelled was not told. */
  get deaf(): boolean {
    return this.#deaf;
  }

  async run(command: Command, ctx: OpContext): Promise<CommandResult> {
    const plan = this.#plan;
    this.#count++;
    if (!plan || this.#count !== plan.at) return await this.#runner.run(command, ctx);
    this.#struck = command.file;
    if (plan.fault === "fails-late" || plan.fault === "hangs") await this.#runner.run(command, ctx);
    if (plan.fault === "is-cancelled") {
      plan.cancel();
      this.#deaf = !ctx.signal.aborted;
      if (ctx.signal.aborted) throw cancelledError(ctx.signal.reason);
    }
    throw failure(command, plan.fault);
  }
}

/** As the host's own runner says it. */
function failure({ file, args }: Command, fault: CommandFault): LuksmithError {
  if (fault === "hangs" || fault === "is-cancelled") {
    return new LuksmithError("CommandTimedOut", `${file} did not finish in time and was killed`, {
      details: { file, args, stderr: "" },
    });
  }
  if (fault === "dies") {
    return new LuksmithError("CommandFailed", `${file} was killed by SIGKILL: it said nothing`, {
      details: { file, args, signal: "SIGKILL", stderr: "" },
    });
  }
  const stderr = fault === "fills-disk" ? `${file}: No space left on device` : "the suite lets it fail";
  return new LuksmithError("CommandFailed", `${file} exited with 1: ${stderr}`, {
    details: { file, args, exitCode: 1, stderr },
  });
}
