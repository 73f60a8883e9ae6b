#!/usr/bin/env node
import { relative } from "node:path";
import { readArguments, USAGE } from "./arguments.ts";
import { complete } from "./ask.ts";
import { CreateError } from "./create-error.ts";
import { type CreatedPlugin, createPlugin } from "./create-plugin.ts";
import { ownVersion } from "./own-package.ts";

/** As Luksmith's own: 64 for what the caller can mend, 70 for our bug. */
const EXIT = { usage: 64, bug: 70 };

function steps({ folder }: CreatedPlugin): readonly string[] {
  const there = relative(process.cwd(), folder);
  return [
    ...(there === "" ? [] : [`cd ${/\s/.test(there) ? JSON.stringify(there) : there}`]),
    "npm install",
    "npm test",
  ];
}

async function main(args: readonly string[]): Promise<void> {
  const { options, json, show } = readArguments(args);
  if (show) {
    process.stdout.write(show === "help" ? USAGE : `${ownVersion()}\n`);
    return;
  }
  const talks = process.stdin.isTTY && process.stderr.isTTY && !json;
  const terminal = talks ? { input: process.stdin, output: process.stderr } : undefined;
  const made = await createPlugin(await complete(options, terminal));
  if (json) {
    process.stdout.write(`${JSON.stringify({ ...made, next: steps(made) }, undefined, 2)}\n`);
    return;
  }
  process.stdout.write(
    `${made.package}, a ${made.kind} named ${made.name}, is in ${made.folder} (${made.files.length} files). Next:\n\n` +
      steps(made)
        .map((step) => `  ${step}\n`)
        .join("") +
      `\nIts README says what to change.\n`,
  );
}

const args = process.argv.slice(2);
try {
  await main(args);
} catch (error) {
  const known = error instanceof CreateError;
  const code = known ? error.code : "InternalError";
  const message = error instanceof Error ? error.message : String(error);
  if (args.includes("--json")) process.stdout.write(`${JSON.stringify({ error: { code, message } })}\n`);
  else
    process.stderr.write(
      `create-plugin: ${known ? message : (error instanceof Error && error.stack) || message}\n`,
    );
  process.exitCode = known ? EXIT.usage : EXIT.bug;
}
