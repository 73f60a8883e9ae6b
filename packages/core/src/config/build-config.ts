import type { ConfigEntry, ConfigSource, HostConfig } from "./host-config.ts";
import type { Assignment } from "./ini.ts";
import type { Option, OptionValue } from "./option.ts";
import { isPassThrough, type ConfigValues } from "./options.ts";
import type { ConfigProblem } from "./problem.ts";
import { isSecretName, withoutUserinfo } from "./redact.ts";

/** A known option with its checked value, and the line that set it. */
export interface Effective {
  readonly option: Option;
  readonly value: OptionValue;
  readonly assignment: Assignment | undefined;
}

/**
 * @param known one for each option of the table
 * @param others what else the files say, references replaced, each name once
 */
export function buildConfig(
  files: readonly string[],
  known: readonly Effective[],
  others: readonly Assignment[],
): HostConfig {
  const checked = known.map(({ option: { section, name }, value }) => ({ section, name, value }));
  const plain = [...checked, ...others.map(({ section, name, text }) => ({ section, name, value: text }))];
  // Asserted: the type is derived from the table whose every row was checked
  const values = bySection(checked) as unknown as ConfigValues;
  return Object.freeze({
    ...values,
    files,
    warnings: known.flatMap(warningOf),
    entries: () => [
      ...known.map(knownEntry),
      ...others.filter(({ section }) => isPassThrough(section)).map(otherEntry),
    ],
    settings: () => ({
      sections: bySection(plain.filter((row): row is Row<Present> => row.value !== undefined)),
      statePath: values.luksmith.state_path,
    }),
  });
}

type Present = Exclude<OptionValue, undefined>;

interface Row<V> {
  readonly section: string;
  readonly name: string;
  readonly value: V;
}

/** Records without a prototype: a file may well call an option `constructor`. */
function bySection<V>(rows: readonly Row<V>[]): Record<string, Record<string, V>> {
  const sections = emptyRecord<Record<string, V>>();
  for (const { section, name, value } of rows) {
    const options = (sections[section] ??= emptyRecord<V>());
    options[name] = value;
  }
  return sections;
}

function emptyRecord<V>(): Record<string, V> {
  return Object.create(null);
}

function sourceOf(assignment: Assignment | undefined): ConfigSource {
  return assignment === undefined ? "default" : { file: assignment.file, line: assignment.line };
}

function knownEntry({ option, value, assignment }: Effective): ConfigEntry {
  const { section, name, deprecated } = option;
  return { section, name, value, source: sourceOf(assignment), ...(deprecated && { deprecated }) };
}

function otherEntry(assignment: Assignment): ConfigEntry {
  const { section, name, text } = assignment;
  const source = sourceOf(assignment);
  if (isSecretName(name)) return { section, name, value: "[redacted]", source, secret: true };
  return { section, name, value: withoutUserinfo(text), source };
}

function warningOf({ option, assignment }: Effective): ConfigProblem[] {
  const { section, name, deprecated } = option;
  if (deprecated === undefined || assignment === undefined) return [];
  const message = `[${section}] ${name} is deprecated since ${deprecated.since}; ${deprecated.replacement}`;
  return [{ file: assignment.file, line: assignment.line, section, name, message }];
}
