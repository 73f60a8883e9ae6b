import type { ServerResponse } from "node:http";
import type { Task } from "@luksmith/core/host";
import type { FastifyReply } from "fastify";
import { toJson } from "./answers.ts";
import { taskDocument } from "./task-document.ts";

/** Ms between two events of progress. */
const PROGRESS_MS = 200;
/** Ms between two signs of life, by which a client that has gone is noticed. */
const BEAT_MS = 15_000;
/** Bytes that a client may be behind before progress is kept from it. */
const BEHIND_BYTES = 64 * 1024;

/**
 * Sends a task to one client as it changes, from its present state on, until it has ended. Each event holds the whole task, so
 * that a client that missed some (`Last-Event-ID`) needs nothing but the next.
 */
export function streamTask(task: Task, reply: FastifyReply): undefined {
  reply.hijack();
  const { raw } = reply;
  const headers = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  };
  raw.writeHead(200, { ...reply.getHeaders(), ...headers } as Record<string, string>);
  const events = new TaskEvents(task, raw);
  raw.once("close", () => events[Symbol.dispose]());
  events.begin();
}

class TaskEvents implements Disposable {
  readonly #task: Task;
  readonly #out: ServerResponse;
  readonly #beat: NodeJS.Timeout;
  #release: () => void = () => {};
  #id = 0;
  #state: string | undefined;
  #cancelling = false;
  #behind = 0;
  #sentAt = Number.NEGATIVE_INFINITY;

  constructor(task: Task, out: ServerResponse) {
    this.#task = task;
    this.#out = out;
    this.#beat = setInterval(() => this.#live(), BEAT_MS);
  }

  begin(): void {
    this.#release = this.#task.subscribe(() => this.#changed());
    this.#changed();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    this.#release();
  }

  /** A client that has read nothing from one sign of life to the next is cut off. */
  #live(): void {
    const behind = this.#out.writableLength;
    if (behind > 0 && behind >= this.#behind && this.#behind > 0) this.#out.destroy();
    this.#write(": still here\n\n");
    this.#behind = this.#out.writableLength;
  }

  #changed(): void {
    const { state, outcome, cancelling } = this.#task;
    if (outcome) {
      this.#send("end");
      this.#out.end();
    } else if (state !== this.#state || cancelling !== this.#cancelling) {
      this.#state = state;
      this.#cancelling = cancelling;
      this.#send("state");
    } else if (performance.now() - this.#sentAt >= PROGRESS_MS && this.#out.writableLength < BEHIND_BYTES) {
      this.#send("progress");
    }
  }

  #send(event: "state" | "progress" | "end"): void {
    this.#sentAt = performance.now();
    this.#write(`id: ${++this.#id}\nevent: ${event}\ndata: ${toJson(taskDocument(this.#task))}\n\n`);
  }

  #write(text: string): void {
    if (!this.#out.destroyed && !this.#out.writableEnded) this.#out.write(text);
  }
}
