import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  beginMessage,
  finishMessage,
  type Message,
  MessageSplitter,
  REMOTE_PROGRAM,
} from "../src/rpc/message.ts";
import type { XdrWriter } from "../src/rpc/xdr-writer.ts";

const REPLY = 1;
const AUTH_LIST = 66;

/** What a daemon does with a message; nothing is also an answer. */
export type Behaviour = (message: Message, answer: Answer) => void;

export interface Answer {
  /** An answer to this message, or to another serial. */
  readonly reply: (write?: (writer: XdrWriter) => unknown, serial?: number) => void;
  readonly raw: (bytes: Uint8Array) => void;
  readonly hangUp: () => void;
}

/** A program that speaks as much of libvirt's protocol as a test of broken daemons needs; its URI. */
export async function fakeDaemon(behave: Behaviour): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "luksmith-fake-libvirt-"));
  const path = join(folder, "socket");
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    const splitter = new MessageSplitter();
    socket.on("data", (chunk) => {
      for (const message of splitter.push(chunk)) behave(message, answerer(socket, message));
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  return `qemu+unix:///system?socket=${path}`;
}

/** Lets clients in; the rest is the test's. */
export function welcoming(behave: Behaviour): Behaviour {
  return (message, answer) => {
    if (message.procedure === AUTH_LIST) answer.reply((writer) => writer.uint(1).int(0));
    else if (message.procedure === 1) answer.reply();
    else behave(message, answer);
  };
}

function answerer(socket: Socket, { procedure, serial }: Message): Answer {
  return {
    reply: (write, to = serial) => {
      const writer = beginMessage({ program: REMOTE_PROGRAM, procedure, type: REPLY, serial: to });
      write?.(writer);
      socket.write(finishMessage(writer));
    },
    raw: (bytes) => void socket.write(bytes),
    hangUp: () => void socket.destroy(),
  };
}
