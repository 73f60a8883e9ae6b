import { open } from "node:fs/promises";
import { LuksmithError } from "../errors/luksmith-error.ts";
import { configInvalid } from "./problem.ts";

/** The largest file that is read; a `nova.conf` with every option and comment has a fifth of it. */
export const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * @returns `undefined` for a file that is not there and need not be
 * @throws `ConfigNotFound`, `ConfigInvalid` for a file that is unreadable, too large or no text
 */
export async function readConfigFile(
  file: string,
  { required }: { readonly required: boolean },
): Promise<string | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readUpTo(file, MAX_CONFIG_BYTES + 1);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
    if (code !== "ENOENT" && code !== "ENOTDIR")
      throw configInvalid([{ file, message: `cannot be read (${code})` }]);
    if (!required) return undefined;
    throw new LuksmithError("ConfigNotFound", `${file}: there is no such configuration file`, {
      details: { file },
    });
  }
  if (bytes.length > MAX_CONFIG_BYTES) throw configInvalid([{ file, message: "is larger than 1 MiB" }]);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw configInvalid([{ file, message: "is not UTF-8 text" }]);
  }
}

/** The start of a file; works for pipes, whose size is not known beforehand. */
async function readUpTo(file: string, limit: number): Promise<Buffer> {
  await using handle = await open(file, "r");
  const buffer = Buffer.alloc(limit);
  let filled = 0;
  while (filled < limit) {
    const { bytesRead } = await handle.read(buffer, filled, limit - filled, null);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
