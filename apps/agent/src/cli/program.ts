import { createRequire } from "node:module";
import { Argument, Command, Option } from "commander";
import type { Session } from "../session.ts";
import { EXIT_CODES } from "./exit-codes.ts";

/** What a command does; its result is the exit code, 0 if there is none. */
export type Work = (session: Session) => Promise<number | void>;
export type Dispatch = (work: Work) => Promise<void>;

/** What the parser says by itself: help and version, and its complaints. */
export interface Said {
  out: string;
  err: string;
}

/** The tree of commands. Each command's file is loaded when it runs. */
export function buildProgram(dispatch: Dispatch, said: Said): Command {
  const program = new Command("luksmith")
    .description("Gives every ephemeral disk of a virtual machine its own LUKSv1 passphrase.")
    .version(version(), "-V, --version", "print the version")
    .addOption(configFileOption())
    .option("--json", "print one JSON document on standard output, errors as JSON on standard error")
    .helpOption("-h, --help", "print this help")
    .configureHelp({ showGlobalOptions: true })
    .addHelpText("after", EXIT_CODES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void (said.out += text),
      writeErr: (text) => void (said.err += text),
    });
  addInstanceCommands(program, dispatch);
  addDiskCommands(program, dispatch);
  addHostCommands(program, dispatch);
  return program;
}

function addInstanceCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("plan")
    .description("show what a create would make, to the byte; changes nothing")
    .addOption(requestOption())
    .action(({ file }: { file: string }) =>
      dispatch(async (session) => (await import("./plan.ts")).plan(session, file)),
    );
  program
    .command("create")
    .description("make the disks of an instance and print them with the XML for its domain")
    .addOption(requestOption())
    .action(({ file }: { file: string }) =>
      dispatch(async (session) => (await import("./create.ts")).create(session, file)),
    );
  program
    .command("list")
    .description("list the instances and snapshots of this host")
    .action(() => dispatch(async (session) => (await import("./list.ts")).list(session)));
  program
    .command("show")
    .description("show an instance with its disks and their XML")
    .addArgument(instanceArgument())
    .action((id: string) => dispatch(async (session) => (await import("./show.ts")).show(session, id)));
  program
    .command("verify")
    .description("check the disks of one instance, or of all; exit code 65 when a check fails")
    .addArgument(new Argument("[ID]", "UUID of the instance").argParser(lowerCase))
    .action((id: string | undefined) =>
      dispatch(async (session) => (await import("./verify.ts")).verify(session, id)),
    );
  program
    .command("delete")
    .description("erase and remove the disks of an instance, or a snapshot, then their passphrases")
    .argument("<ID>", "UUID of the instance or snapshot", lowerCase)
    .option(
      "--forget-missing",
      "delete passphrases also of disks that are not found, because they are gone for good",
    )
    .action((id: string, options: { forgetMissing?: boolean }) =>
      dispatch(async (session) =>
        (await import("./delete.ts")).deleteOne(session, id, {
          forgetMissing: options.forgetMissing ?? false,
        }),
      ),
    );
}

function addDiskCommands(program: Command, dispatch: Dispatch): void {
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

function addHostCommands(program: Command, dispatch: Dispatch): void {
  program
    .command("recover")
    .description(
      "end what an earlier process left unfinished; exit code 65 when something could not be ended",
    )
    .action(() => dispatch(async (session) => (await import("./recover.ts")).recover(session)));
  program
    .command("config")
    .description("look at the configuration")
    .command("show")
    .description("print the values in effect and where each comes from")
    .action(() => dispatch(async (session) => (await import("./config-show.ts")).configShow(session)));
  program
    .command("plugins")
    .description("look at the plugins")
    .command("list")
    .description("load the configured plugins and print what they provide")
    .action(() => dispatch(async (session) => (await import("./plugins-list.ts")).pluginsList(session)));
  program
    .command("completion")
    .description("print a completion script for a shell")
    .addArgument(new Argument("<SHELL>", "the shell").choices(["bash", "zsh", "fish"]))
    .action((shell: "bash" | "zsh" | "fish") =>
      dispatch(async (session) => (await import("./completion.ts")).completion(session, shell, program)),
    );
}

function requestOption(): Option {
  return new Option("-f, --file <REQUEST>", "REQUEST.json, or - for standard input").makeOptionMandatory();
}

function configFileOption(): Option {
  return new Option(
    "--config-file <FILE>",
    "read this configuration file; may be repeated, later files win (default: /etc/nova/nova.conf and /etc/luksmith/luksmith.conf, those that exist)",
  ).argParser((file: string, earlier?: readonly string[]) => [...(earlier ?? []), file]);
}

function instanceArgument(): Argument {
  return new Argument("<ID>", "UUID of the instance").argParser(lowerCase);
}

function diskArgument(): Argument {
  return new Argument("<DISK>", "name in disk_info: disk, disk.eph0, disk.swap");
}

/** UUIDs are kept in lower case. */
function lowerCase(text: string): string {
  return text.toLowerCase();
}

function version(): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own manifest
  return (createRequire(import.meta.url)("../../package.json") as { version: string }).version;
}
