import { Argument, InvalidArgumentError, Option } from "commander";

export function requestOption(): Option {
  return new Option("-f, --file <REQUEST>", "REQUEST.json, or - for standard input").makeOptionMandatory();
}

export function instanceArgument(): Argument {
  return new Argument("<ID>", "UUID of the instance").argParser(lowerCase);
}

export function diskArgument(): Argument {
  return new Argument("<DISK>", "name in disk_info: disk, disk.eph0, disk.swap");
}

/** UUIDs are kept in lower case. */
export function lowerCase(text: string): string {
  return text.toLowerCase();
}

/** Nova's `shutdown_timeout`. */
const SHUTDOWN_SECONDS = 60;
const MAX_SECONDS = 86_400;

/** How long a guest may take to shut down. */
export function timeoutOption(): Option {
  return new Option("--timeout <SECONDS>", "how long it may take to shut down")
    .argParser(seconds)
    .default(SHUTDOWN_SECONDS);
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= MAX_SECONDS && text.trim() !== "") return value;
  throw new InvalidArgumentError(`seconds are a whole number from 0 to ${MAX_SECONDS}`);
}
