import { type IncomingMessage, request as httpRequest } from "node:http";
import { errorFromJson, errnoOf, LuksmithError } from "@luksmith/core/host";

export interface SocketRequest {
  readonly socket: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ms of silence after which the daemon is given up; default 60 000. */
  readonly silenceMs?: number;
}

/** Ms. Events come at least every quarter of a minute. */
const SILENCE_MS = 60_000;
/** Of one answer. */
const MAX_BYTES = 256 * 1024 * 1024;

/**
 * Sends one request over the socket. Whoever gets the answer reads it to its end or destroys it.
 * @throws `DaemonUnavailable`; what the daemon says is wrong
 */
export async function send(options: SocketRequest): Promise<IncomingMessage> {
  const answer = await begin(options);
  if ((answer.statusCode ?? 500) < 400) return answer;
  const text = (await readAll(answer)).toString("utf8");
  throw errorOf(text) ?? away(`it answered ${answer.statusCode}`);
}

/** The whole body. */
export async function readAll(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > MAX_BYTES) throw away("its answer has no end");
    }
  } catch (error) {
    throw away(error instanceof Error ? error.message : String(error), error);
  }
  return Buffer.concat(chunks);
}

/** Whether nobody listens: there is no daemon, rather than one that does not answer. */
export function nobodyListens(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return ["ECONNREFUSED", "ENOENT", "EACCES"].includes(errnoOf(cause) ?? "");
}

export function away(why: string, cause?: unknown): LuksmithError {
  return new LuksmithError(
    "DaemonUnavailable",
    `the daemon cannot be reached or went away (${why}); see "systemctl status luksmith". What it had begun it ends when it starts again: "luksmith list" shows what there is`,
    cause === undefined ? {} : { cause },
  );
}

async function begin(options: SocketRequest): Promise<IncomingMessage> {
  const { socket: socketPath, method, path, headers = {}, body, silenceMs = SILENCE_MS } = options;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const json =
    body === undefined
      ? {}
      : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  const sent = httpRequest({ socketPath, method, path, agent: false, headers: { ...headers, ...json } });
  sent.setTimeout(silenceMs, () => sent.destroy(new Error(`it was silent for ${silenceMs / 1000} s`)));
  sent.once("response", resolve);
  sent.once("error", (error) => reject(away(error.message, error)));
  sent.end(body);
  return await promise;
}

function errorOf(text: string): Error | undefined {
  try {
    return errorFromJson((JSON.parse(text) as { error?: unknown }).error);
  } catch {
    return undefined;
  }
}
