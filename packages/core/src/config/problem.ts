import { LuksmithError } from "../errors/luksmith-error.ts";

/** One thing that is wrong in a configuration file. */
export interface ConfigProblem {
  /** As given to `loadConfig`. */
  readonly file: string;
  /** Counted from 1; absent when the file as a whole is meant. */
  readonly line?: number;
  readonly section?: string;
  readonly name?: string;
  /** What is wrong and what is allowed, without the place. */
  readonly message: string;
}

/** `file:line: message`, as compilers print it. */
export function problemText(problem: ConfigProblem): string {
  const place = problem.line === undefined ? problem.file : `${problem.file}:${problem.line}`;
  return `${place}: ${problem.message}`;
}

/** One `ConfigInvalid` for everything that is wrong; `details.problems` has the list. */
export function configInvalid(problems: readonly ConfigProblem[]): LuksmithError {
  const [first] = problems;
  const message =
    problems.length === 1 && first !== undefined
      ? problemText(first)
      : `${problems.length} problems in the configuration:\n${problems.map((p) => `  ${problemText(p)}`).join("\n")}`;
  return new LuksmithError("ConfigInvalid", message, { details: { problems } });
}

/** A value as it appears in a message: quoted and never longer than a line. */
export function quoteValue(text: string): string {
  const quoted = JSON.stringify(text);
  return quoted.length <= 80 ? quoted : `${quoted.slice(0, 77)}..."`;
}

/** The place of an option: the line that set it, or the built-in default. */
export function placeOf(set: { readonly file: string; readonly line: number } | undefined): {
  file: string;
  line?: number;
} {
  return set === undefined ? { file: "default" } : { file: set.file, line: set.line };
}
