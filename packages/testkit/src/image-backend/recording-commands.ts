import type { Command, CommandResult, CommandRunner, OpContext } from "@luksmith/core";

/** Runs commands through another runner and keeps what any process of the host could have seen of them. */
export class RecordingCommands implements CommandRunner {
  readonly #runner: CommandRunner;
  readonly #seen: unknown[] = [];

  constructor(runner: CommandRunner) {
    this.#runner = runner;
  }

  /** Arguments, environments and output, oldest first. */
  get seen(): readonly unknown[] {
    return this.#seen;
  }

  async run(command: Command, ctx: OpContext): Promise<CommandResult> {
    this.#seen.push({ file: command.file, args: command.args, env: command.env });
    const result = await this.#runner.run(command, ctx);
    this.#seen.push(result);
    return result;
  }
}
