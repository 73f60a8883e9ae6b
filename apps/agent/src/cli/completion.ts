import type { Command } from "commander";
import { bashCompletion } from "../completion/bash.ts";
import { commandNodes } from "../completion/command-nodes.ts";
import { fishCompletion } from "../completion/fish.ts";
import { zshCompletion } from "../completion/zsh.ts";
import type { Session } from "../session.ts";

const GENERATORS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

export async function completion(
  session: Session,
  shell: keyof typeof GENERATORS,
  program: Command,
): Promise<void> {
  const script = GENERATORS[shell](commandNodes(program));
  await session.print({ shell, script }, () => script);
}
