import type { Command } from "commander";
import { instanceArgument } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { AdoptCommand } from "./move.ts";

/** move offer, adopt, confirm, revert */
export function addMoveCommands(program: Command, dispatch: Dispatch): void {
  const move = program.command("move").description("move guests that are off to other hosts");
  move
    .command("offer")
    .description("print what another host needs to adopt a guest; it is left alone here from now on")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./move.ts")).offer(session, id)));
  move
    .command("adopt")
    .description("copy the disks of a guest that another host has offered, prove them, and start it here")
    .argument("<FILE>", "what offer printed, or - for standard input")
    .option(
      "--from <DIRECTORY>",
      "where the disks' files are, by name (default: under the other host's paths)",
    )
    .option("--no-start", "leave the guest off")
    .action((file: string, options: AdoptCommand) =>
      dispatch(async (session) => (await import("./move.ts")).adopt(session, file, options)),
    );
  move
    .command("confirm")
    .description("remove a guest that another host has adopted, with its disks; passphrases stay")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./move.ts")).confirm(session, id)));
  move
    .command("revert")
    .description("take an offer back that no host has adopted")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./move.ts")).revert(session, id)));
}
