import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempDirectory } from "./temp-directory.ts";

/**
 * Puts a shell script before the real program of that name.
 * @returns the PATH to give to a process; `REAL` in the script is the rest of it
 */
export function fakeTool(name: string, script: string): string {
  const directory = join(tempDirectory(), "bin");
  mkdirSync(directory);
  const real = process.env["PATH"] ?? "/usr/bin:/bin";
  writeFileSync(join(directory, name), `#!/bin/sh\nREAL='${real}'\n${script}\n`);
  chmodSync(join(directory, name), 0o755);
  return `${directory}:${real}`;
}
