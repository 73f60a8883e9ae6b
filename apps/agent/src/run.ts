import type { JournalListener } from "@luksmith/core/host";
import { CommanderError } from "commander";
import type { Work } from "./cli/dispatch.ts";
import { buildProgram } from "./cli/program.ts";
import type { Io } from "./io.ts";
import { reportError, usageError } from "./output/report-error.ts";
import { type GlobalOptions, Session } from "./session.ts";
import { stopper } from "./stopper.ts";

export interface RunOptions {
  /** Told of each durable step, for tests. */
  readonly onJournal?: JournalListener;
}

/**
 * Runs one command line, without the program's name, and never throws.
 * @returns the exit code
 */
export async function run(argv: readonly string[], io: Io, options: RunOptions = {}): Promise<number> {
  const json = argv.includes("--json");
  using stop = stopper(io, json);
  let exitCode = 0;
  let session: Session | undefined;
  const dispatch = async (work: Work): Promise<void> => {
    session = new Session(io, program.opts<GlobalOptions>(), stop, argv.join(" "), options);
    await using _ended = session;
    exitCode = (await work(session)) ?? 0;
  };
  const said = { out: "", err: "" };
  const program = buildProgram(dispatch, said);
  try {
    await program.parseAsync(argv, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return await reportError(io, error, json, session?.log);
    if (error.exitCode === 0) return await print(io, said.out, json, session);
    return await reportError(io, usageError(error, said.err), json);
  }
}

async function print(io: Io, text: string, json: boolean, session: Session | undefined): Promise<number> {
  try {
    await io.stdout.write(text);
    return 0;
  } catch (error) {
    return await reportError(io, error, json, session?.log);
  }
}
