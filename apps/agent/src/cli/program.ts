import { Command, Option } from "commander";
import { addAttestCommands } from "./attest-commands.ts";
import { addAuditCommands } from "./audit-commands.ts";
import { addCacheCommands } from "./cache-commands.ts";
import { addDiskCommands } from "./disk-commands.ts";
import type { Dispatch } from "./dispatch.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { addGuestCommands } from "./guest-commands.ts";
import { addHostCommands } from "./host-commands.ts";
import { addInstanceCommands } from "./instance-commands.ts";
import { addLegacyCommands } from "./legacy-commands.ts";
import { addMaintenanceCommands } from "./maintenance-commands.ts";
import { addMoveCommands } from "./move-commands.ts";
import { addReceiptCommands } from "./receipt-commands.ts";
import { addRecoveryCommands } from "./recovery-commands.ts";
import { addTraitCommands } from "./trait-commands.ts";
import { version } from "../version.ts";

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
    .option("--os-cloud <NAME>", "act as the user of this entry of clouds.yaml (default: the OS_* variables)")
    .option("--os-token-stdin", "act as the user whose token is on standard input")
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
  addGuestCommands(program, dispatch);
  addMoveCommands(program, dispatch);
  addDiskCommands(program, dispatch);
  addMaintenanceCommands(program, dispatch);
  addReceiptCommands(program, dispatch);
  addAttestCommands(program, dispatch);
  addRecoveryCommands(program, dispatch);
  addLegacyCommands(program, dispatch);
  addCacheCommands(program, dispatch);
  addTraitCommands(program, dispatch);
  addAuditCommands(program, dispatch);
  addHostCommands(program, dispatch);
  return program;
}

function configFileOption(): Option {
  return new Option(
    "--config-file <FILE>",
    "read this configuration file; may be repeated, later files win (default: /etc/nova/nova.conf and /etc/luksmith/luksmith.conf, those that exist)",
  ).argParser((file: string, earlier?: readonly string[]) => [...(earlier ?? []), file]);
}
