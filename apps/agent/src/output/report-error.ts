import { errorToJson, exitCodeOf, isLuksmithError, type Logger, LuksmithError } from "@luksmith/core/host";
import type { CommanderError } from "commander";
import type { Io } from "../io.ts";

/** Says on standard error what went wrong and returns the exit code for it. */
export async function reportError(io: Io, error: unknown, json: boolean, log?: Logger): Promise<number> {
  if (!isLuksmithError(error)) log?.debug({ err: error }, "unexpected error");
  const document = errorToJson(error);
  const text = json
    ? JSON.stringify({ error: document }, writable)
    : `luksmith: ${String(document["code"])}: ${String(document["message"])}`;
  await io.stderr.write(`${text}\n`).catch(() => {});
  return exitCodeOf(error);
}

/** Details may hold byte counts that JSON has no number for. */
export function writable(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

/** @param said what the parser would have printed: the error, or the help for want of a command */
export function usageError(error: CommanderError, said: string): LuksmithError {
  const noCommand = error.code === "commander.help";
  const message = noCommand ? `no command was given\n\n${said}` : error.message.replace(/^error: /, "");
  return new LuksmithError("UsageError", message.trimEnd(), { details: { reason: error.code } });
}
