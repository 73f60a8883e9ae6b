import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "./faults.ts";

/** Passes the request on and the answer back, but for what `fault` says. */
export async function carryOut(
  fault: Fault | undefined,
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
): Promise<void> {
  switch (fault?.kind) {
    case "hang":
      return;
    case "drop-before":
      response.destroy();
      return;
    case "status":
      // The client may send a body that nobody wants; unread, it would see its own connection reset instead.
      request.resume();
      await once(request, "end");
      response.writeHead(fault.status, fault.headers).end(fault.body);
      return;
    case "delay":
      await sleep(fault.ms);
      break;
    case "drop-after":
    case "cut":
    case "stall":
    case "corrupt":
    case undefined:
      break;
  }
  const answer = await forward(request, response, target);
  if (fault?.kind === "drop-after") {
    for await (const _ of answer) {
      // all of it, so that the server is done
    }
    response.destroy();
    return;
  }
  response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  if (fault?.kind === "cut" || fault?.kind === "stall") {
    await sendFirst(fault.bytes, answer, response);
    if (fault.kind === "cut") response.destroy();
    return;
  }
  await (fault?.kind === "corrupt"
    ? pipeline(answer, turning(fault.bytes), response)
    : pipeline(answer, response));
}

async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  target: URL,
): Promise<IncomingMessage> {
  const upstream = http.request({
    host: target.hostname,
    port: target.port,
    method: request.method,
    path: request.url,
    headers: { ...request.headers, host: target.host, connection: "close" },
    agent: false,
  });
  response.once("close", () => upstream.destroy());
  const answered = once(upstream, "response");
  // The server may answer, and close, before it has read all.
  await Promise.race([pipeline(request, upstream), answered]);
  const [answer] = (await answered) as [IncomingMessage];
  return answer;
}

/** The answer's first bytes reach the client before this returns. */
async function sendFirst(bytes: number, answer: IncomingMessage, response: ServerResponse): Promise<void> {
  let left = bytes;
  response.flushHeaders();
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (part.length > 0) await new Promise((resolve) => response.write(part, resolve));
    if (left === 0) break;
  }
}

function turning(offset: number): Transform {
  let position = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const at = offset - position;
      position += chunk.length;
      const byte = chunk[at];
      if (byte !== undefined) chunk[at] = byte ^ 0xff;
      done(null, chunk);
    },
  });
}
