import type { Command } from "commander";

/** A word that can be completed. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** A command with what may follow it. */
export interface CommandNode {
  /** Words after the program's name: `["secret", "reveal"]`; empty for the program itself. */
  readonly path: readonly string[];
  readonly commands: readonly Candidate[];
  /** Its own and those of its parents. */
  readonly options: readonly Candidate[];
  /** Words that its first argument can be. */
  readonly choices: readonly string[];
  /** Words that an option's value can be, by option. */
  readonly optionChoices: Readonly<Record<string, readonly string[]>>;
}

/** The tree of commands, flat. */
export function commandNodes(program: Command): readonly CommandNode[] {
  return nodesBelow(program, [], []);
}

function nodesBelow(
  command: Command,
  path: readonly string[],
  inherited: readonly Candidate[],
): readonly CommandNode[] {
  const own = command.options.flatMap((option) =>
    [option.long, option.short].flatMap((word) => (word ? [{ word, description: option.description }] : [])),
  );
  const shared = [...inherited, ...own];
  const help = { word: "--help", description: "print help" };
  const choices = command.options.flatMap(({ long, argChoices }) =>
    long && argChoices ? [[long, argChoices] as const] : [],
  );
  return [
    {
      path,
      commands: command.commands.map((each) => ({ word: each.name(), description: each.description() })),
      options: [...shared, help],
      choices: command.registeredArguments[0]?.argChoices ?? [],
      optionChoices: Object.fromEntries(choices),
    },
    ...command.commands.flatMap((each) => nodesBelow(each, [...path, each.name()], withoutVersion(shared))),
  ];
}

/** Only the program itself prints its version. */
function withoutVersion(options: readonly Candidate[]): readonly Candidate[] {
  return options.filter(({ word }) => word !== "--version" && word !== "-V");
}
