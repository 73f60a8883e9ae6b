import { Argument, type Command } from "commander";
import { lowerCase } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";
import type { ExportCommand } from "./recovery.ts";

/** recovery export, inspect: what opens disks when all else is lost */
export function addRecoveryCommands(program: Command, dispatch: Dispatch): void {
  const recovery = program
    .command("recovery")
    .description("bundles of header backups and passphrases, encrypted to keys that are kept elsewhere");
  recovery
    .command("export")
    .description("write a bundle that age and cryptsetup open without Luksmith; audited")
    .argument("<FILE>", "the file to make; it must not exist")
    .addArgument(new Argument("[ID]", "UUID of the instance; default: all").argParser(lowerCase))
    .addArgument(new Argument("[DISK]", "name in disk_info: disk, disk.eph0, disk.swap"))
    .option(
      "--recipient <KEY>",
      "a public key of age's; may be repeated (default: [luksmith] recovery_recipients)",
      (key: string, earlier?: readonly string[]) => [...(earlier ?? []), key],
    )
    .action((file: string, id: string | undefined, disk: string | undefined, options: ExportCommand) =>
      dispatch(async (session) =>
        (await import("./recovery.ts")).exportOne(session, file, id, disk, options),
      ),
    );
  recovery
    .command("inspect")
    .description("say what a bundle is; with a key, what is in it, but for the passphrases")
    .argument("<FILE>", "the bundle")
    .option("--identity <FILE>", "private keys of age's, on a machine where they may be")
    .action((file: string, options: { identity?: string }) =>
      dispatch(async (session) => (await import("./recovery.ts")).inspect(session, file, options.identity)),
    );
}
