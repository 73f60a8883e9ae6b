import { convert } from "./convert.ts";
import { buildConfig, type Effective } from "./build-config.ts";
import { findContradictions } from "./contradictions.ts";
import type { HostConfig } from "./host-config.ts";
import { readIni, type Assignment } from "./ini.ts";
import { findMisspellings } from "./misspellings.ts";
import type { Option, OptionValue } from "./option.ts";
import { OPTIONS } from "./options.ts";
import { configInvalid, placeOf, type ConfigProblem } from "./problem.ts";
import { Substitution, type Expanded } from "./substitution.ts";

/** A configuration file's name, for messages, and what it says. */
export interface ConfigText {
  readonly file: string;
  readonly content: string;
}

/**
 * Merges files in order, the last one to set an option winning, and checks every value.
 * @throws `ConfigInvalid` with everything that is wrong in all of them
 */
export function parseConfig(texts: readonly ConfigText[]): HostConfig {
  const parsed = texts.map(({ content, file }) => readIni(content, file));
  const assignments = parsed.flatMap((file) => file.assignments);
  const problems = [...parsed.flatMap((file) => file.problems), ...findMisspellings(assignments)];
  const set = new Map(assignments.map((assignment) => [keyOf(assignment), assignment]));
  const substitution = new Substitution((section, name) => {
    const key = keyOf({ section, name });
    return set.get(key)?.text ?? DEFAULT_TEXTS.get(key);
  });

  const known = OPTIONS.map((option): Effective => {
    const assignment = set.get(keyOf(option));
    const { value, problem } = valueOf(option, assignment, substitution);
    if (problem !== undefined) problems.push(problemAt(option, assignment, problem));
    return { option, value, assignment };
  });
  problems.push(...findContradictions(known));
  if (problems.length > 0) throw configInvalid(inOrder(problems, texts));

  const isKnown = new Set(OPTIONS.map(keyOf));
  const others = [...set.values()]
    .filter((assignment) => !isKnown.has(keyOf(assignment)))
    .map((assignment) => withReferences(assignment, substitution));
  return buildConfig(
    texts.map(({ file }) => file),
    known,
    others,
  );
}

function keyOf({ section, name }: { readonly section: string; readonly name: string }): string {
  return `${section}\n${name}`;
}

const DEFAULT_TEXTS: ReadonlyMap<string, string> = new Map(
  OPTIONS.map((option) => [keyOf(option), defaultText(option)]),
);

function defaultText(option: Option): string {
  return option.type === "list" ? option.default.join(", ") : String(option.default ?? "");
}

function valueOf(
  option: Option,
  assignment: Assignment | undefined,
  substitution: Substitution,
): { value?: OptionValue; problem?: string } {
  if (assignment !== undefined) {
    const expanded = substitution.expand(assignment.text, option.section);
    const problem = referenceProblem(expanded);
    if (problem !== undefined) return { problem: `[${option.section}] ${option.name} ${problem}` };
    const converted = convert(option, expanded.text, assignment.text);
    if ("problem" in converted) return converted;
    if (converted.value !== undefined) return converted;
  }
  if (option.type !== "path" && option.type !== "string") return { value: option.default };
  if (option.default === undefined) return {};
  // Whatever is wrong with what a default refers to is reported there.
  return { value: substitution.expand(option.default, option.section).text };
}

function referenceProblem({ unknown, failure }: Expanded): string | undefined {
  if (failure !== undefined || unknown.length === 0) return failure;
  return `refers to ${unknown.join(", ")}, which is not set (write $$ for a dollar sign)`;
}

/** In sections kept for plugins a reference may be to an option of Nova that is not ours to know: it stays. */
function withReferences(assignment: Assignment, substitution: Substitution): Assignment {
  const { section, name, file, line } = assignment;
  return { section, name, file, line, text: substitution.expand(assignment.text, section).text };
}

function problemAt(option: Option, assignment: Assignment | undefined, message: string): ConfigProblem {
  return { ...placeOf(assignment), section: option.section, name: option.name, message };
}

function inOrder(problems: readonly ConfigProblem[], texts: readonly ConfigText[]): ConfigProblem[] {
  const rank = new Map(texts.map(({ file }, index) => [file, index]));
  const fileRank = (problem: ConfigProblem) => rank.get(problem.file) ?? -1;
  return problems.toSorted((a, b) => fileRank(a) - fileRank(b) || (a.line ?? 0) - (b.line ?? 0));
}
