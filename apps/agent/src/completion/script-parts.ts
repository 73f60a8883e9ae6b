import type { CommandNode } from "./command-nodes.ts";

/** A case pattern, for bash and zsh, that matches every command's path. */
export function pathPatterns(nodes: readonly CommandNode[]): string {
  return nodes
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `"${path.join(" ")}"`)
    .join("|");
}

/** The options whose values are known, of all commands together. */
export function optionChoices(
  nodes: readonly CommandNode[],
): readonly (readonly [string, readonly string[]])[] {
  return nodes.flatMap((node) => Object.entries(node.optionChoices));
}

/** In single quotes. None of our texts has a backslash or a quote but an apostrophe, which is made typographic. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "’")}'`;
}
