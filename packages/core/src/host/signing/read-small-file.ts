import { open } from "node:fs/promises";
import { ioError } from "../../errors/io-error.ts";
import { LuksmithError } from "../../errors/luksmith-error.ts";

/** More than any key, receipt or statement has. */
const LIMIT = 4 * 1024 * 1024;

/** A text that somebody handed in. @throws `FileUnreadable` */
export async function readSmallFile(path: string): Promise<string> {
  const buffer = Buffer.alloc(LIMIT + 1);
  let length = 0;
  try {
    await using file = await open(path, "r");
    for (let read = -1; read !== 0 && length < buffer.length; length += read) {
      read = (await file.read(buffer, length, buffer.length - length)).bytesRead;
    }
  } catch (error) {
    const { message } = ioError(error, `reading ${path}`);
    throw new LuksmithError("FileUnreadable", message, { cause: error, details: { path } });
  }
  if (length <= LIMIT) return buffer.toString("utf8", 0, length);
  throw new LuksmithError("FileUnreadable", `${path} has more than ${LIMIT} bytes; name the right file`, {
    details: { path },
  });
}

/** As `readSmallFile`, of JSON. @throws `FileUnreadable`, also where it is none */
export async function readSmallJson(path: string): Promise<unknown> {
  const text = await readSmallFile(path);
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new LuksmithError("FileUnreadable", `${path} holds no JSON; name the right file`, {
      cause: error,
      details: { path },
    });
  }
}
