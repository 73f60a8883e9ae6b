import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

export interface BenchArguments {
  /** Names of works; empty for all. */
  readonly only: readonly string[];
  readonly json: boolean;
  readonly check: boolean;
  readonly quick: boolean;
  readonly help: boolean;
  readonly rounds: number | undefined;
  /** Where the files of the benchmarks go. */
  readonly dir: string;
}

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError */
export function parseArguments(args: readonly string[], works: readonly string[]): BenchArguments {
  const { values } = parse(args);
  const only = (values.only ?? []).flatMap((names) => names.split(","));
  const unknown = only.find((name) => !works.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`there is no work ${unknown}; choose from ${works.join(", ")}`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && (!Number.isInteger(rounds) || rounds < 1 || rounds > 10_000)) {
    throw new UsageError("--rounds takes a number from 1 to 10000");
  }
  return {
    only,
    json: values.json,
    check: values.check,
    quick: values.quick,
    help: values.help,
    rounds,
    dir: resolve(values.dir ?? tmpdir()),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        only: { type: "string", multiple: true },
        json: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        rounds: { type: "string" },
        dir: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export const USAGE = `npm run bench -- [--only WORK]... [--rounds N] [--quick] [--check] [--json] [--dir DIR]

  --only WORK   measure this work only; repeatable
  --rounds N    rounds of each work instead of its own number
  --quick       small and few: shows that it runs, its figures mean little
  --check       compare with the requirements: PASS or FAIL each; exit code 1 if one fails
  --json        print one list of {work, peer, ours, theirs, unit, ratio} and nothing else
  --dir DIR     where the files go, on the storage to be measured; default is the system's temporary directory

Works:`;
