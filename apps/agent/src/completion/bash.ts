import type { CommandNode } from "./command-nodes.ts";
import { optionChoices, pathPatterns } from "./script-parts.ts";

/** For `source <(luksmith completion bash)`. */
export function bashCompletion(nodes: readonly CommandNode[]): string {
  const cases = nodes.map(({ path, commands, choices, options }) => {
    const words = [...commands.map(({ word }) => word), ...choices].join(" ");
    return `    "${path.join(" ")}") words="${words}"; options="${options.map(({ word }) => word).join(" ")}" ;;`;
  });
  const values = optionChoices(nodes).map(
    ([option, choices]) =>
      `    ${option}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word")); return ;;`,
  );
  return `# bash completion for luksmith
_luksmith() {
  local word="\${COMP_WORDS[COMP_CWORD]}" at="" words="" options="" each
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
    --config-file|--file|-f) COMPREPLY=($(compgen -f -- "$word")); return ;;
${values.join("\n")}
  esac
  for each in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$each" in
      ${pathPatterns(nodes)}) at="\${at:+$at }$each" ;;
    esac
  done
  case "$at" in
${cases.join("\n")}
  esac
  if [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word"))
  elif [[ -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$word"))
  else COMPREPLY=($(compgen -f -- "$word")); fi
}
complete -F _luksmith luksmith
`;
}
