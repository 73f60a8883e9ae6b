import { type Command, Option } from "commander";
import { diskArgument, instanceArgument } from "./arguments.ts";
import type { Dispatch } from "./dispatch.ts";

/** resize, snapshot, inspect, secret */
export function addDiskCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("resize")
    .description("grow a disk; the guest sees exactly SIZE")
    .addArgument(instanceArgument())
    .addArgument(diskArgument())
    .argument("<SIZE>", "bytes, or with K, M, G, T (KiB, MiB, GiB, TiB: powers of 1024)")
    .action((id: string, disk: string, size: string) =>
      dispatch(async (session) => (await import("./resize.ts")).resize(session, id, disk, size)),
    );
  program
    .command("snapshot")
    .description("copy a disk that no guest is using to a file, encrypted with a passphrase of its own")
    .addArgument(instanceArgument())
    .addArgument(diskArgument())
    .argument("<TARGET>", "the file to make; it must not exist")
    .addOption(new Option("--format <FORMAT>", "format of the file").choices(["raw", "qcow2"]))
    .option("--plain", "write the copy in clear")
    .action(
      (id: string, disk: string, target: string, options: { format?: "raw" | "qcow2"; plain?: boolean }) =>
        dispatch(async (session) =>
          (await import("./snapshot.ts")).snapshot(session, id, disk, target, options),
        ),
    );
  program
    .command("inspect")
    .description("draw the LUKS header of a file or device and say what is odd about it; only reads")
    .argument("<FILE>", "a disk file or block device")
    .action((file: string) =>
      dispatch(async (session) => (await import("./inspect.ts")).inspect(session, file)),
    );
  const secret = program.command("secret").description("work with passphrases");
  secret
    .command("reveal")
    .description("print a passphrase on standard output and nothing else, without a newline; audited")
    .argument("<SECRET_ID>", "encryption_secret_uuid of a disk")
    .action((id: string) =>
      dispatch(async (session) => (await import("./secret-reveal.ts")).revealOne(session, id)),
    );
}
