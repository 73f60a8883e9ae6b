import { Argument, type Command } from "commander";
import { lowerCase } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";

/** receipt list, show, export, verify, key: what proves that a disk was erased */
export function addReceiptCommands(program: Command, dispatch: Dispatch): void {
  const receipt = program
    .command("receipt")
    .description("signed receipts of disks that were erased, for those who were not there");
  receipt
    .command("list")
    .description("list the receipts of this host")
    .addArgument(new Argument("[ID]", "only those of this disk, snapshot or instance").argParser(lowerCase))
    .action((id: string | undefined) =>
      dispatch(async (session) => (await import("./receipt.ts")).list(session, id)),
    );
  receipt
    .command("show")
    .description("show a receipt of this host")
    .argument("<ID>", "of the receipt, or of its disk", lowerCase)
    .action((id: string) => dispatch(async (session) => (await import("./receipt.ts")).show(session, id)));
  receipt
    .command("export")
    .description("write the signed receipts of this host as files into a directory")
    .argument("<DIRECTORY>", "where they go; those that are there already stay")
    .addArgument(new Argument("[ID]", "only those of this disk, snapshot or instance").argParser(lowerCase))
    .action((directory: string, id: string | undefined) =>
      dispatch(async (session) => (await import("./receipt.ts")).exportAll(session, directory, id)),
    );
  receipt
    .command("verify")
    .description(
      "check the signature of an exported receipt and show it; needs nothing of the host but its public key",
    )
    .argument("<FILE>", "the receipt")
    .option("--key <FILE>", "public keys in PEM; default: this host's own")
    .action((file: string, options: { key?: string }) =>
      dispatch(async (session) => (await import("./receipt.ts")).verify(session, file, options.key)),
    );
  receipt
    .command("key")
    .description("print the public key that this host's receipts and attestations are verified with")
    .action(() => dispatch(async (session) => (await import("./receipt.ts")).key(session)));
}
