import { type Command, Option } from "commander";
import { instanceArgument, timeoutOption } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { EvacuateCommand } from "./evacuate.ts";
import { addLiveMoveCommands, receiptOption } from "./live-move-commands.ts";
import type { AdoptCommand, OfferCommand, ReceiptCommand } from "./move.ts";
import type { ShelveCommand } from "./shelve.ts";

/** move describe, offer, adopt, expect, send, settle, dismiss, confirm, revert; evacuate, evacuated; shelve, unshelve */
export function addMoveCommands(program: Command, dispatch: Dispatch): void {
  const move = program.command("move").description("move guests to other hosts, off or running");
  move
    .command("describe")
    .description("print what another host needs of a guest if this one is lost; keep it elsewhere")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./move.ts")).describe(session, id)));
  move
    .command("offer")
    .description("print what another host needs to take a guest; it is left alone here from now on")
    .addArgument(instanceArgument())
    .option("--live", "of a guest that runs, and goes on: for expect on the other host")
    .action((id: string, options: OfferCommand) =>
      dispatch(async (session) => (await import("./move.ts")).offer(session, id, options)),
    );
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
  addLiveMoveCommands(move, dispatch);
  move
    .command("confirm")
    .description("remove a guest that another host has, with its disks; passphrases stay")
    .addArgument(instanceArgument())
    .addOption(receiptOption("settle"))
    .action((id: string, options: ReceiptCommand) =>
      dispatch(async (session) => (await import("./move.ts")).confirm(session, id, options)),
    );
  move
    .command("revert")
    .description("take an offer back that no host has taken")
    .addArgument(instanceArgument())
    .addOption(receiptOption("dismiss"))
    .action((id: string, options: ReceiptCommand) =>
      dispatch(async (session) => (await import("./move.ts")).revert(session, id, options)),
    );
  addEvacuationCommands(program, dispatch);
  addShelfCommands(program, dispatch);
}

function addEvacuationCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("evacuate")
    .description("take a guest over whose host is down, by what move describe printed there")
    .argument("<FILE>", "what move describe printed, or - for standard input")
    .requiredOption("--source-is-down", "say that the guest cannot run there any more")
    .addOption(
      new Option(
        "--from <DIRECTORY>",
        "copy the disks from here, by name (default: use them where they are, on storage that both hosts have)",
      ).conflicts("recreate"),
    )
    .option("--recreate <REQUEST>", "make the disks anew from REQUEST.json, with the passphrases they had")
    .option("--no-start", "leave the guest off")
    .action((file: string, options: EvacuateCommand) =>
      dispatch(async (session) => (await import("./evacuate.ts")).evacuate(session, file, options)),
    );
  program
    .command("evacuated")
    .description("on the host that came back: remove a guest that another has evacuated; passphrases stay")
    .addArgument(instanceArgument())
    .option("--keep-disks", "do not touch its disks, which the other host uses where they are")
    .action((id: string, { keepDisks = false }: { keepDisks?: boolean }) =>
      dispatch(async (session) => (await import("./evacuate.ts")).evacuated(session, id, keepDisks)),
    );
}

function addShelfCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("shelve")
    .description("take a guest off this host and keep its disks, encrypted as they are, in a directory")
    .addArgument(instanceArgument())
    .requiredOption("--to <DIRECTORY>", "where")
    .addOption(timeoutOption())
    .action((id: string, options: ShelveCommand) =>
      dispatch(async (session) => (await import("./shelve.ts")).shelve(session, id, options)),
    );
  program
    .command("unshelve")
    .description("bring a guest back from where shelve has put it, on this or another host, and start it")
    .argument("<FILE>", "the document that shelve wrote, beside the disks' files")
    .option("--no-start", "leave the guest off")
    .action((file: string, { start }: { start: boolean }) =>
      dispatch(async (session) => (await import("./shelve.ts")).unshelve(session, file, start)),
    );
}
