import type { CommandRunner } from "../command/command-runner.ts";

/** The host's own door to other programs, for test kits; loaded at the first command. */
export function hostCommands(): CommandRunner {
  const runner = import("./execa-runner.ts").then(({ ExecaRunner }) => new ExecaRunner());
  return { run: async (command, ctx) => (await runner).run(command, ctx) };
}
