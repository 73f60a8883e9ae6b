import { Argument, type Command, Option } from "commander";
import { diskArgument, instanceArgument, lowerCase } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { RekeyCommand } from "./rekey.ts";

/** flatten, rebase, rekey: what is done to disks as they are */
export function addMaintenanceCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("flatten")
    .description("copy into a disk what it has of its base image, so that it stands alone")
    .addArgument(instanceArgument())
    .addArgument(diskArgument())
    .action((id: string, disk: string) =>
      dispatch(async (session) => (await import("./flatten.ts")).flatten(session, id, disk)),
    );
  program
    .command("rebase")
    .description("put a disk on another file that shows the same bytes as its base image")
    .addArgument(instanceArgument())
    .addArgument(diskArgument())
    .requiredOption("--base <PATH>", "the file")
    .addOption(
      new Option("--format <FORMAT>", "of the file; default: as the present base").choices(["raw", "qcow2"]),
    )
    .option("--trust-base", "do not compare: the present base is lost, and the file is known to be the same")
    .action(
      (id: string, disk: string, options: { base: string; format?: "raw" | "qcow2"; trustBase?: boolean }) =>
        dispatch(async (session) => (await import("./rebase.ts")).rebase(session, id, disk, options)),
    );
  program
    .command("rekey")
    .description("give a disk, each disk of an instance, or all that are due, a new passphrase")
    .addArgument(new Argument("[ID]", "UUID of the instance; not with --all").argParser(lowerCase))
    .addArgument(new Argument("[DISK]", "name in disk_info: disk, disk.eph0, disk.swap"))
    .option("--all", "of all instances; one disk that fails does not keep the others")
    .option(
      "--older-than <WHEN>",
      "only passphrases that were made before a date (2026-01-01), or longer ago than 90d (m, h, d, w)",
    )
    .option(
      "--volume-key",
      "encrypt the disks anew, with another volume key too; goes on where it was cut short",
    )
    .option("--abandon", "take back what a --volume-key that was cut short has made")
    .action((id: string | undefined, disk: string | undefined, options: RekeyCommand) =>
      dispatch(async (session) => (await import("./rekey.ts")).rekey(session, id, disk, options)),
    );
}
