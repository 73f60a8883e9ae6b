import { open } from "node:fs/promises";
import { resolve } from "node:path";
import { errnoOf, type InstanceRequest, ioError, LuksmithError, parseRequest } from "@luksmith/core/host";
import type { Io } from "../io.ts";
import { jsonErrorPosition } from "./json-error-position.ts";

/** Of a request. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** REQUEST.json as it came, and as it was understood. */
export interface GivenRequest {
  readonly document: unknown;
  readonly request: InstanceRequest;
}

/** Whence requests come: a session. */
interface RequestSource {
  readonly io: Io;
  /** Standard input is a token, not a request. */
  readonly osTokenStdin: boolean;
}

/**
 * Reads and checks REQUEST.json.
 * @param file a path; `-` is standard input
 * @throws `FileUnreadable`, `InvalidRequest`, `UsageError`, and what `parseRequest` throws
 */
export async function readRequest(file: string, source: RequestSource): Promise<GivenRequest> {
  const document = await readJson(file, source);
  return { document, request: await parseRequest(document) };
}

/**
 * @param file a path; `-` is standard input
 * @throws `FileUnreadable`, `InvalidRequest`, `UsageError`
 */
export async function readJson(file: string, { io, osTokenStdin }: RequestSource): Promise<unknown> {
  if (file === "-" && osTokenStdin) {
    throw new LuksmithError(
      "UsageError",
      "standard input can be the token (--os-token-stdin) or the request (-f -), not both; put the request into a file",
    );
  }
  const name = file === "-" ? "standard input" : file;
  const bytes = file === "-" ? await readAll(io.stdin, name) : await readFile(resolve(io.cwd, file));
  return parseJson(bytes, name);
}

async function readFile(path: string): Promise<Buffer> {
  try {
    await using file = await open(path, "r");
    return await readAll(file.createReadStream({ autoClose: false }), path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR" || errno === "EISDIR") {
      throw new LuksmithError(
        "FileUnreadable",
        `${path} is not a file; give REQUEST.json, or - for standard input`,
        {
          cause: error,
          details: { path },
        },
      );
    }
    throw ioError(error, `reading ${path}`, { path });
  }
}

async function readAll(stream: AsyncIterable<Uint8Array>, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_REQUEST_BYTES) throw invalid(`${name} is larger than 4 MiB; that is no request`);
  }
  return Buffer.concat(chunks);
}

/**
 * @param name whence they are, for the message
 * @throws `InvalidRequest` with line and column
 */
export function parseJson(bytes: Buffer, name: string): unknown {
  return parseText(decode(bytes, name), name);
}

function decode(bytes: Buffer, name: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw invalid(`${name} is not UTF-8 text`);
  }
}

function parseText(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const position = jsonErrorPosition(text);
    const reason =
      error instanceof Error ? error.message.replace(/ (?:in JSON )?at position.*$/s, "") : String(error);
    throw invalid(`${name}:${position.line}:${position.column}: not JSON: ${reason}`, { ...position });
  }
}

function invalid(message: string, details: Record<string, unknown> = {}): LuksmithError {
  return new LuksmithError("InvalidRequest", message, { details });
}
