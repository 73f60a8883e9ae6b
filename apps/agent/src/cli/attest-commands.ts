import { Argument, type Command, InvalidArgumentError } from "commander";
import { lowerCase } from "./arguments.ts";
import type { CreateOptions, VerifyOptions } from "./attest.ts";
import type { Dispatch } from "./dispatch.ts";

const MOST_SAMPLES = 1_000_000;

/** attest create, verify: signed statements of how disks are encrypted */
export function addAttestCommands(program: Command, dispatch: Dispatch): void {
  const attest = program
    .command("attest")
    .description("signed statements that disks are encrypted, for those who may not look themselves");
  attest
    .command("create")
    .description("look at disks, and write what was seen, signed, into a file; guests may run")
    .argument("<FILE>", "the file to make; it must not exist")
    .addArgument(new Argument("[ID]", "UUID of the instance; default: all").argParser(lowerCase))
    .addArgument(new Argument("[DISK]", "name in disk_info: disk, disk.eph0, disk.swap"))
    .option(
      "--nonce <TEXT>",
      "what the auditor gave: it says where to look, and makes the statement an answer",
      nonce,
    )
    .option("--samples <N>", "places of each disk that are looked at (default: 2048)", samples)
    .action((file: string, id: string | undefined, disk: string | undefined, options: CreateOptions) =>
      dispatch(async (session) => (await import("./attest.ts")).create(session, file, id, disk, options)),
    );
  attest
    .command("verify")
    .description(
      "check the signature and age of a statement, judge what it says, and show it; needs nothing of the host but its public key",
    )
    .argument("<FILE>", "the statement")
    .option("--key <FILE>", "public keys in PEM; default: this host's own")
    .option("--nonce <TEXT>", "what the statement must answer", nonce)
    .option(
      "--max-age <TIME>",
      "how old it may be: 90d, 12h (m, h, d, w), or the date after which it was made",
      "1d",
    )
    .action((file: string, options: VerifyOptions) =>
      dispatch(async (session) => (await import("./attest.ts")).verify(session, file, options)),
    );
}

function nonce(text: string): string {
  if (/^[\x21-\x7e]{8,200}$/.test(text)) return text;
  throw new InvalidArgumentError("a nonce has 8 to 200 visible ASCII characters");
}

function samples(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MOST_SAMPLES) return value;
  throw new InvalidArgumentError(`samples are a whole number from 1 to ${MOST_SAMPLES}`);
}
