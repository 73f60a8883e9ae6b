import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { CreateError } from "./create-error.ts";
import { KINDS, type PluginOptions } from "./plugin-spec.ts";

/** Who is asked; a terminal, or nobody. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

/** Asks for what has no default and was not given. @throws `CreateError` where nobody can be asked */
export async function complete(
  options: Partial<PluginOptions>,
  terminal: Terminal | undefined,
): Promise<PluginOptions> {
  const { folder, kind } = options;
  if (folder !== undefined && kind !== undefined) return { ...options, folder, kind };
  if (!terminal) {
    const missing = folder === undefined ? "the folder" : `--kind ${KINDS.join("|")}`;
    throw new CreateError("UsageError", `say ${missing}; --help shows how`);
  }
  const lines = createInterface(terminal);
  // One iterator for all: a question of readline's own loses lines that were typed ahead.
  const answers = lines[Symbol.asyncIterator]();
  const ask = async (question: string): Promise<string> => {
    terminal.output.write(question);
    const answer = await answers.next();
    if (answer.done !== true) return answer.value.trim();
    throw new CreateError("UsageError", "nothing was made");
  };
  try {
    return {
      ...options,
      folder: folder ?? (await ask("Folder: ")),
      kind: kind ?? kindOf(await ask("Kind, (b)ackend or (k)ey-manager: ")),
    };
  } finally {
    lines.close();
  }
}

function kindOf(answer: string): string {
  return KINDS.find((kind) => answer !== "" && kind.startsWith(answer.toLowerCase())) ?? answer;
}
