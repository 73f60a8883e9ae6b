import { Worker } from "node:worker_threads";
import {
  isBulk,
  type Job,
  type JobMessage,
  type ReplyMessage,
  type Result,
  secretsOf,
  transfersOf,
} from "./wire.ts";
import { fromWireError } from "./wire-error.ts";

/** The entry beside this file: TypeScript when the sources run as they are, JavaScript when built. */
const ENTRY = new URL(
  import.meta.url.endsWith(".ts") ? "./worker-thread.ts" : "./worker-thread.js",
  import.meta.url,
);

interface Pending {
  job: Job;
  onProgress: ((bytes: number) => void) | undefined;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

interface Thread {
  worker: Worker;
  pending: Map<number, Pending>;
  /** UUIDs of containers made here that are still to be opened. */
  formats: Set<string>;
}

/**
 * Runs jobs on worker threads that start when they are first needed and never keep the process alive while idle. Bulk
 * work has a thread to itself but for short header jobs, which run between its chunks; further bulk work waits.
 */
export class WorkerPool implements AsyncDisposable {
  readonly #size: number;
  readonly #entry: URL;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Pending[] = [];
  #nextId = 1;
  #disposed = false;

  /**
   * @param size - threads at most
   * @param entry - what they run, for tests that need one that fails
   */
  constructor(size: number, entry: URL = ENTRY) {
    this.#size = size;
    this.#entry = entry;
  }

  /** Runs a job, whose secrets now belong to the pool. */
  run(job: Job, onProgress?: (bytes: number) => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      const pending: Pending = { job, onProgress, resolve, reject };
      if (this.#disposed) drop(pending, new Error("this LUKS engine was disposed"));
      else if (!this.#dispatch(pending)) this.#waiting.push(pending);
    });
  }

  /** Whether no job runs or waits, and there is a thread already. */
  get isIdle(): boolean {
    return this.#threads.size > 0 && [...this.#threads].every(({ pending }) => pending.size === 0);
  }

  /** Rejects a job that still waits for a thread; false if it is already running or done. */
  withdraw(job: Job, reason: unknown): boolean {
    const index = this.#waiting.findIndex((pending) => pending.job === job);
    const [pending] = index < 0 ? [] : this.#waiting.splice(index, 1);
    if (pending === undefined) return false;
    drop(pending, reason);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const pending of this.#waiting.splice(0)) drop(pending, new Error("this LUKS engine was disposed"));
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #dispatch(pending: Pending): boolean {
    const thread = this.#choose(pending.job);
    if (thread === undefined) return false;
    const id = this.#nextId++;
    const message: JobMessage = { id, job: pending.job };
    try {
      thread.worker.postMessage(message, transfersOf(pending.job));
    } catch (error) {
      drop(pending, error);
      return true;
    }
    thread.pending.set(id, pending);
    if (pending.job.kind === "format" && pending.job.retain) thread.formats.add(pending.job.uuid);
    // What nobody waits for keeps no process alive.
    if (pending.job.kind !== "prepare") thread.worker.ref();
    return true;
  }

  #choose(job: Job): Thread | undefined {
    if (job.kind === "unlock-formatted") {
      const formatter = [...this.#threads].find(({ formats }) => formats.delete(job.uuid));
      // Any thread will say that it has no such container.
      if (formatter !== undefined) return formatter;
    }
    const able = [...this.#threads].filter(
      ({ pending }) => !isBulk(job) || ![...pending.values()].some((other) => isBulk(other.job)),
    );
    const idle = able.find(({ pending }) => pending.size === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.size < this.#size) return this.#start();
    return able.toSorted((a, b) => a.pending.size - b.pending.size)[0];
  }

  #start(): Thread {
    const worker = new Worker(this.#entry, { name: "luks", execArgv: [] });
    const thread: Thread = { worker, pending: new Map(), formats: new Set() };
    this.#threads.add(thread);
    let cause: unknown;
    worker.unref();
    worker.on("message", (message: ReplyMessage) => this.#receive(thread, message));
    worker.on("error", (error) => (cause = error));
    worker.on("exit", (code) => this.#bury(thread, code, cause));
    return thread;
  }

  #receive(thread: Thread, message: ReplyMessage): void {
    const pending = thread.pending.get(message.id);
    if (pending === undefined) return;
    if ("progress" in message) {
      pending.onProgress?.(message.progress);
      return;
    }
    thread.pending.delete(message.id);
    // Once terminated it must keep the process: its end is waited for.
    if (thread.pending.size === 0 && !this.#disposed) thread.worker.unref();
    if ("error" in message) pending.reject(fromWireError(message.error));
    else pending.resolve(message.result);
    this.#drain();
  }

  /** By the time a thread has exited, its reads and writes have settled: the callers may close their files. */
  #bury(thread: Thread, exitCode: number, cause: unknown): void {
    this.#threads.delete(thread);
    const reason = this.#disposed
      ? "this LUKS engine was disposed"
      : `a LUKS worker stopped (exit code ${exitCode})`;
    for (const pending of thread.pending.values()) {
      pending.reject(new Error(reason, cause === undefined ? undefined : { cause }));
    }
    if (!this.#disposed) this.#drain();
  }

  #drain(): void {
    while (this.#waiting[0] !== undefined && this.#dispatch(this.#waiting[0])) this.#waiting.shift();
  }
}

/** Rejects a job that no worker ever saw. */
function drop(pending: Pending, reason: unknown): void {
  for (const secret of secretsOf(pending.job)) secret.fill(0);
  pending.reject(reason);
}
