import { Argument, Option } from "commander";

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
