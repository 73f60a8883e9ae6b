import { Argument, type Command, Option } from "commander";
import { instanceArgument, lowerCase } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { AdoptCommand, MigrateCommand } from "./legacy.ts";

/** legacy list, adopt, open, migrate: disks of dm-crypt's plain mode, and the way out of it */
export function addLegacyCommands(program: Command, dispatch: Dispatch): void {
  const legacy = program
    .command("legacy")
    .description("find disks of the deprecated dm-crypt plain mode, and give them LUKS");
  legacy
    .command("list")
    .description("list instances with plain dm-crypt disks, those that Nova has made, too")
    .action(() => dispatch(async (session) => (await import("./legacy.ts")).list(session)));
  legacy
    .command("adopt")
    .description("take the plain disks that Nova has made for an instance into the inventory, as they are")
    .addArgument(instanceArgument())
    .requiredOption("--key <UUID>", "the instance's ephemeral_key_uuid in Nova's database", lowerCase)
    .option(
      "--hash <HASH>",
      "cryptsetup's: ripemd160 before cryptsetup 2.7, then sha256; default: both are tried",
    )
    .option("--cipher <CIPHER>", "default: [ephemeral_storage_encryption] cipher")
    .addOption(
      new Option("--key-size <BITS>", "default: [ephemeral_storage_encryption] key_size").argParser(Number),
    )
    .option("--project <ID>", "the project that the instance belongs to")
    .option("--accept-unproven", "although nothing on a disk shows that the key is the right one")
    .action((id: string, options: AdoptCommand) =>
      dispatch(async (session) => (await import("./legacy.ts")).adopt(session, id, options)),
    );
  legacy
    .command("open")
    .description("open the mappings of plain disks again, after a reboot of the host")
    .addArgument(new Argument("[ID]", "UUID of the instance; default: all").argParser(lowerCase))
    .action((id: string | undefined) =>
      dispatch(async (session) => (await import("./legacy.ts")).open(session, id)),
    );
  legacy
    .command("migrate")
    .description("give each plain disk of an instance a LUKS container, with a passphrase of its own")
    .addArgument(instanceArgument())
    .option("--dry-run", "say what would be done and how long it would take, and change nothing")
    .option("--accept-unproven", "although nothing on a disk shows that the key is the right one")
    .option("--abandon", "take back what a migration that was cut short has made")
    .action((id: string, options: MigrateCommand) =>
      dispatch(async (session) => (await import("./legacy.ts")).migrate(session, id, options)),
    );
}
