import { setTimeout as sleep } from "node:timers/promises";
import { LuksmithError } from "../../errors/luksmith-error.ts";
import { cancelledError } from "../../image/op-context.ts";
import { Task, type TaskListener, type TaskRequest } from "./task.ts";

export interface TaskQueueOptions {
  /** How many run at once. */
  readonly running: number;
  /** How many wait for their turn. */
  readonly queued: number;
  /** How many that have ended are remembered. */
  readonly kept?: number;
  /** Told of each change of each task, for logs and metrics. */
  readonly onChange?: TaskListener;
}

const KEPT = 1000;

/**
 * Runs tasks in the order in which they came, some at once, and one at a time for each instance. What it cannot take it
 * refuses at once: nobody waits for a queue without end.
 */
export class TaskQueue {
  readonly #options: TaskQueueOptions;
  readonly #waiting = new Set<Task>();
  readonly #running = new Set<Task>();
  /** All that are remembered, oldest first. */
  readonly #tasks = new Map<string, Task>();
  #stopping = false;

  constructor(options: TaskQueueOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#waiting.size;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Oldest first. */
  list(): readonly Task[] {
    return [...this.#tasks.values()];
  }

  find(id: string): Task | undefined {
    return this.#tasks.get(id);
  }

  /**
   * Accepts a task. It starts after the caller's own turn, never within this call.
   * @throws `DaemonStopping`; `InstanceBusy`: another task changes the same subject; `QueueFull`
   */
  submit(request: TaskRequest): Task {
    this.#requireRoom(request.subject);
    const task = new Task(request);
    this.#tasks.set(task.id, task);
    this.#waiting.add(task);
    task.subscribe((changed) => {
      if (changed.outcome) this.#leave(changed);
      this.#options.onChange?.(changed);
    });
    this.#options.onChange?.(task);
    setImmediate(() => this.#startNext());
    return task;
  }

  /**
   * Accepts nothing more, drops what waits, and lets what runs end; after `timeoutMs` that is cancelled, and takes back what
   * it began, for as long as that takes.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const task of this.#waiting) task.cancel(stopping());
    const ended = Promise.all([...this.#running].map((task) => task.ended));
    const patience = new AbortController();
    const late = sleep(timeoutMs, undefined, { signal: patience.signal }).then(
      () => [...this.#running].forEach((task) => task.cancel(stopping())),
      () => {},
    );
    await ended;
    patience.abort();
    await late;
  }

  #requireRoom(subject: string | undefined): void {
    if (this.#stopping) throw stopping();
    const busy = [...this.#running, ...this.#waiting].find(
      (task) => subject !== undefined && task.subject === subject,
    );
    if (busy) {
      throw new LuksmithError(
        "InstanceBusy",
        `another operation (${busy.kind}) on ${subject} is running; wait for it, then try again`,
        { details: { subject, task: busy.id, kind: busy.kind }, retryable: true },
      );
    }
    const { running, queued } = this.#options;
    if (this.#running.size + this.#waiting.size < running + queued) return;
    throw new LuksmithError(
      "QueueFull",
      `${this.#running.size} operations run and ${this.#waiting.size} wait, which is all that this daemon takes; try again in a moment`,
      { details: { running: this.#running.size, queued: this.#waiting.size } },
    );
  }

  #startNext(): void {
    for (const task of this.#waiting) {
      if (this.#running.size >= this.#options.running) return;
      this.#waiting.delete(task);
      this.#running.add(task);
      void task.run();
    }
  }

  #leave(task: Task): void {
    this.#waiting.delete(task);
    this.#running.delete(task);
    if (task.transient) this.#tasks.delete(task.id);
    const ended = this.#tasks.size - this.#running.size - this.#waiting.size;
    let surplus = ended - (this.#options.kept ?? KEPT);
    for (const [id, { outcome }] of this.#tasks) {
      if (surplus <= 0) break;
      if (!outcome) continue;
      this.#tasks.delete(id);
      surplus--;
    }
    setImmediate(() => this.#startNext());
  }
}

function stopping(): LuksmithError {
  return new LuksmithError(
    "DaemonStopping",
    "the daemon is stopping and begins nothing new; try again when it has started",
  );
}

/** Why a task ends whose client asked for it. */
export function cancelledByClient(): LuksmithError {
  return cancelledError(new Error("a client asked for it"));
}
