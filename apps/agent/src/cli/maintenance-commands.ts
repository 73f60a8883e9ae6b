import { Argument, type Command, Option } from "commander";
import { diskArgument, instanceArgument } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";

/** flatten, rebase, rekey: what is done to disks that no guest is using */
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
    .description("give a disk, or each encrypted disk of an instance, a new passphrase")
    .addArgument(instanceArgument())
    .addArgument(new Argument("[DISK]", "name in disk_info: disk, disk.eph0, disk.swap"))
    .action((id: string, disk: string | undefined) =>
      dispatch(async (session) => (await import("./rekey.ts")).rekey(session, id, disk)),
    );
}
