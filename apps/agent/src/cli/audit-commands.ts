import { type Command, InvalidArgumentError, Option } from "commander";
import { lowerCase } from "./arguments.ts";
import type { Point, Selection, VerifyOptions } from "./audit.ts";
import type { Dispatch } from "./dispatch.ts";

const TAIL_LINES = 20;
const MAX_TAIL = 1_000_000;

/** audit verify, audit export, audit tail */
export function addAuditCommands(program: Command, dispatch: Dispatch): void {
  const audit = program.command("audit").description("read and check the audit log of this host");
  audit
    .command("verify")
    .description("check that the log is whole and unchanged; exit code 65 if it is not")
    .addOption(
      new Option("--file <FILE>", "a file of the log that is elsewhere by now; may be repeated").argParser(
        (file: string, earlier?: readonly string[]) => [...(earlier ?? []), file],
      ),
    )
    .addOption(
      new Option("--expect <SEQ:HASH>", "a point that was noted elsewhere; may be repeated").argParser(
        (text: string, earlier?: readonly Point[]) => [...(earlier ?? []), point(text)],
      ),
    )
    .option("--partial", "older files are elsewhere, and that is right")
    .action((options: VerifyOptions) =>
      dispatch(async (session) => (await import("./audit.ts")).verify(session, options)),
    );
  selecting(audit.command("export"))
    .description("print lines of the log as they are, so that their hashes can be checked")
    .action((options: Selection) =>
      dispatch(async (session) => (await import("./audit.ts")).exportLines(session, options)),
    );
  selecting(audit.command("tail"))
    .description("print the last lines of the log for people")
    .addOption(new Option("-n, --lines <N>", "how many").argParser(count).default(TAIL_LINES))
    .action((options: Selection & { lines: number }) =>
      dispatch(async (session) => (await import("./audit.ts")).tail(session, options)),
    );
}

function selecting(command: Command): Command {
  return command
    .addOption(new Option("--since <TIME>", "from this time on (ISO 8601)").argParser(time))
    .addOption(new Option("--until <TIME>", "before this time (ISO 8601)").argParser(time))
    .addOption(
      new Option("--about <ID>", "of this instance, disk, snapshot, secret or request").argParser(lowerCase),
    );
}

function point(text: string): Point {
  const [, seq, hash] = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined) {
    throw new InvalidArgumentError("a point is SEQ:HASH, as audit verify prints it");
  }
  return { seq: Number(seq), hash };
}

function time(text: string): string {
  const value = new Date(text);
  if (!/^\d{4}-\d\d-\d\d/.test(text) || Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError("a time is as 2026-01-31 or 2026-01-31T12:00:00Z");
  }
  return value.toISOString();
}

function count(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= MAX_TAIL) return value;
  throw new InvalidArgumentError(`a number from 1 to ${MAX_TAIL}`);
}
