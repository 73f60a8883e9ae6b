import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { syncDirectory } from "../../file/sync-directory.ts";
import type { Envelope } from "../signing/index.ts";

/** Writes a signed statement into a new file, durable when it resolves. @throws `TargetExists`, `PermissionDenied`, `NoSpace`, `IoError` */
export async function writeStatement(path: string, envelope: Envelope): Promise<void> {
  try {
    await using file = await open(path, "wx", 0o644);
    await file.writeFile(`${JSON.stringify(envelope)}\n`);
    await file.datasync();
  } catch (error) {
    if (errnoOf(error) !== "EEXIST") throw ioError(error, `writing ${path}`, { path });
    throw new LuksmithError("TargetExists", `${path} exists and was not touched; choose another name`, {
      cause: error,
      details: { path },
    });
  }
  await syncDirectory(dirname(path));
}
