import type { Candidate, CommandNode } from "./command-nodes.ts";
import { optionChoices, pathPatterns, quoted } from "./script-parts.ts";

/** For a file `_luksmith` in `$fpath`, or `source <(luksmith completion zsh)`. */
export function zshCompletion(nodes: readonly CommandNode[]): string {
  const cases = nodes.map(({ path, commands, choices, options }) => {
    const words = [...commands.map(described), ...choices.map(quoted)].join(" ");
    return `    "${path.join(" ")}") candidates=(${words}); flags=(${options.map(described).join(" ")}) ;;`;
  });
  const values = optionChoices(nodes).map(
    ([option, choices]) => `    ${option}) compadd -- ${choices.join(" ")}; return ;;`,
  );
  return `#compdef luksmith
_luksmith() {
  local at="" each
  local -a candidates flags
  case "$words[CURRENT-1]" in
    --config-file|--file|-f) _files; return ;;
${values.join("\n")}
  esac
  for each in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$each" in
      ${pathPatterns(nodes)}) at="\${at:+$at }$each" ;;
    esac
  done
  case "$at" in
${cases.join("\n")}
  esac
  if [[ "$words[CURRENT]" == -* ]]; then _describe option flags
  elif (( $#candidates )); then _describe command candidates
  else _files; fi
}
compdef _luksmith luksmith
`;
}

function described({ word, description }: Candidate): string {
  return quoted(`${word}:${description}`);
}
