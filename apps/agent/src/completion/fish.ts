import type { CommandNode } from "./command-nodes.ts";
import { quoted } from "./script-parts.ts";

/** For `luksmith completion fish | source`. */
export function fishCompletion(nodes: readonly CommandNode[]): string {
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => quoted(path.join(" ")));
  return `# fish completion for luksmith
function __luksmith_at
  set -l at ""
  for each in (commandline -opc)[2..]
    set -l next (string trim -- "$at $each")
    contains -- "$next" ${paths.join(" ")}; and set at $next
  end
  test "$at" = "$argv[1]"
end
${nodes.flatMap(linesOf).join("\n")}
`;
}

function linesOf({ path, commands, choices, options, optionChoices }: CommandNode): string[] {
  const here = `complete -c luksmith -n ${quoted(`__luksmith_at "${path.join(" ")}"`)}`;
  return [
    ...commands.map(({ word, description }) => `${here} -f -a ${word} -d ${quoted(description)}`),
    ...(choices.length > 0 ? [`${here} -f -a ${quoted(choices.join(" "))}`] : []),
    ...options.map(({ word, description }) => {
      const flag = word.startsWith("--") ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`;
      const values = optionChoices[word];
      const value = values ? ` -x -a ${quoted(values.join(" "))}` : "";
      return `${here} ${flag}${value} -d ${quoted(description)}`;
    }),
  ];
}
