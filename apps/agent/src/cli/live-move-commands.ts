import { type Command, Option } from "commander";
import { instanceArgument } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { SendCommand } from "./live-move.ts";
import type { ReceiptCommand } from "./move.ts";

/** move expect, send, settle, dismiss */
export function addLiveMoveCommands(move: Command, dispatch: Dispatch): void {
  move
    .command("expect")
    .description(
      "make encrypted disks for a running guest that another host has offered, and print where they are",
    )
    .argument("<FILE>", "what offer --live printed, or - for standard input")
    .action((file: string) =>
      dispatch(async (session) => (await import("./live-move.ts")).expectMove(session, file)),
    );
  move
    .command("send")
    .description("send a running guest, memory and disks, to the host that expects it")
    .addArgument(instanceArgument())
    .argument("<FILE>", "what expect printed on the other host, or - for standard input")
    .option(
      "--sockets <DIRECTORY>",
      "where libvirt, memory and disks are sockets that lead to the other host",
    )
    .option("--to <URI>", "the other host's libvirt (default: libvirt in the directory)")
    .option("--tls", "encrypt between both QEMUs, with libvirt's certificates")
    .option("--memory <URI>", "where the memory goes (default: memory in the directory, or libvirt's choice)")
    .option(
      "--disks <URI>",
      "where the disks' content goes (default: disks in the directory, or libvirt's choice)",
    )
    .action((id: string, file: string, options: SendCommand) =>
      dispatch(async (session) => (await import("./live-move.ts")).send(session, id, file, options)),
    );
  move
    .command("settle")
    .description("take a guest that was sent here as this host's own")
    .addArgument(instanceArgument())
    .addOption(receiptOption("send"))
    .action((id: string, options: ReceiptCommand) =>
      dispatch(async (session) => (await import("./live-move.ts")).settle(session, id, options)),
    );
  move
    .command("dismiss")
    .description("remove the disks of a guest that was expected and does not come; passphrases stay")
    .addArgument(instanceArgument())
    .addOption(receiptOption("revert"))
    .action((id: string, options: ReceiptCommand) =>
      dispatch(async (session) => (await import("./live-move.ts")).dismiss(session, id, options)),
    );
}

export function receiptOption(of: string): Option {
  return new Option(
    "--receipt <FILE>",
    `what ${of} printed with --json on the other host, where this one cannot know where the guest is`,
  );
}
