#!/usr/bin/env node
import { parseArgs } from "node:util";
import { errorToJson, exitCodeOf, LuksmithError } from "@luksmith/core";
import { dropCheckpoint, listCheckpoints, rollBack, takeCheckpoint } from "./checkpoints.ts";
import type { DiskPlace } from "./disk-place.ts";

const USAGE = `Usage: luksmith-reflink --directory DIR COMMAND INSTANCE DISK [CHECKPOINT]

DIR is [luksmith:backend-reflink] directory, INSTANCE the instance's UUID, DISK its disk_info name. The guest must be off, and
nobody else at work on the instance.

  take INSTANCE DISK CHECKPOINT       note what the disk holds now; instant, takes no room
  list INSTANCE DISK
  roll-back INSTANCE DISK CHECKPOINT  give the disk that content back; what it holds now is lost
  drop INSTANCE DISK CHECKPOINT       forget it
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { directory: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const [command, instanceUuid, disk, checkpoint, ...more] = positionals;
  const wanted = command === "list" ? 3 : 4;
  if (!values.directory?.startsWith("/") || positionals.length !== wanted || more.length > 0) {
    throw new LuksmithError("UsageError", "that is not how it goes; see luksmith-reflink --help");
  }
  const place: DiskPlace = {
    directory: values.directory,
    instanceUuid: instanceUuid ?? "",
    name: disk ?? "",
  };
  await carryOut(command, place, checkpoint ?? "");
}

async function carryOut(command: string | undefined, place: DiskPlace, checkpoint: string): Promise<void> {
  switch (command) {
    case "take":
      return await takeCheckpoint(place, checkpoint);
    case "roll-back":
      return await rollBack(place, checkpoint);
    case "drop":
      return await dropCheckpoint(place, checkpoint);
    case "list":
      for (const { name, createdAt, bytes, fits } of await listCheckpoints(place)) {
        process.stdout.write(`${name}\t${createdAt}\t${bytes}\t${fits ? "" : "of another disk"}\n`);
      }
      return;
    default:
      throw new LuksmithError("UsageError", `there is no command ${command}; see luksmith-reflink --help`);
  }
}

try {
  await main();
} catch (error) {
  const usage =
    error instanceof TypeError && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS");
  const shown = usage ? new LuksmithError("UsageError", error.message) : error;
  const { code, message } = errorToJson(shown);
  process.stderr.write(`luksmith-reflink: ${String(code)}: ${String(message)}\n`);
  process.exitCode = exitCodeOf(shown);
}
