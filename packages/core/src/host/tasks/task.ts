import { randomUUID } from "node:crypto";
import type { Progress } from "../../image/op-context.ts";

/** `cancelled`: somebody asked for it, and nothing was begun or all of it was taken back. */
export type TaskState = "queued" | "running" | "done" | "failed" | "cancelled";

/** What a task's work is given. */
export interface TaskScope {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

export interface TaskRequest {
  /** For people and metrics: `create`, … */
  readonly kind: string;
  /** The instance or snapshot that it changes: only one task at a time does. */
  readonly subject?: string;
  readonly requestId: string;
  /** Not remembered once it has ended: whoever waited for it has the result. */
  readonly transient?: boolean;
  /** @returns JSON */
  readonly run: (scope: TaskScope) => Promise<unknown>;
  /** Called once when the task has ended, also if it never ran: wipes what it was lent. Must not throw. */
  readonly release?: () => void;
}

/** How a task ended. */
export type TaskOutcome =
  | { readonly ok: true; readonly document: unknown }
  | { readonly ok: false; readonly error: unknown };

/** Told of each change of a task's state or progress. Must not throw. */
export type TaskListener = (task: Task) => void;

/** One piece of work of the daemon, from its acceptance to its end. */
export class Task {
  readonly id = randomUUID();
  readonly kind: string;
  readonly subject: string | undefined;
  readonly requestId: string;
  readonly createdAt = new Date();
  /** Resolves, and never rejects, when it has ended. */
  readonly ended: Promise<TaskOutcome>;
  /** As its request says. */
  readonly transient: boolean;
  /** Dropped at the end, with all that it holds: a task is remembered for long. */
  #work: Pick<TaskRequest, "run" | "release"> | undefined;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<TaskListener>();
  readonly #resolve: (outcome: TaskOutcome) => void;
  #state: TaskState = "queued";
  #startedAt: Date | undefined;
  #endedAt: Date | undefined;
  #progress: Progress | undefined;
  #outcome: TaskOutcome | undefined;

  constructor(request: TaskRequest) {
    this.kind = request.kind;
    this.subject = request.subject;
    this.requestId = request.requestId;
    this.transient = request.transient ?? false;
    this.#work = request;
    const { promise, resolve } = Promise.withResolvers<TaskOutcome>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  get state(): TaskState {
    return this.#state;
  }

  get startedAt(): Date | undefined {
    return this.#startedAt;
  }

  get endedAt(): Date | undefined {
    return this.#endedAt;
  }

  get progress(): Progress | undefined {
    return this.#progress;
  }

  /** Undefined until it has ended. */
  get outcome(): TaskOutcome | undefined {
    return this.#outcome;
  }

  /** Whether somebody has asked it to stop; it may still be taking back what it began. */
  get cancelling(): boolean {
    return this.#abort.signal.aborted;
  }

  /** @returns a function that ends the telling */
  subscribe(listener: TaskListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Asks it to stop. One that runs takes back what it began, and ends later; one that has ended stays as it is. */
  cancel(reason: Error): void {
    if (this.#outcome || this.cancelling) return;
    this.#abort.abort(reason);
    if (this.#state === "queued") this.end("cancelled", { ok: false, error: reason });
    else this.#tell();
  }

  /** For the queue alone, once. */
  async run(): Promise<void> {
    const { run } = this.#work ?? {};
    if (!run) return;
    this.#state = "running";
    this.#startedAt = new Date();
    this.#tell();
    const progress = (now: Progress): void => {
      this.#progress = now;
      this.#tell();
    };
    try {
      const document = await run({ signal: this.#abort.signal, progress });
      this.end("done", { ok: true, document });
    } catch (error) {
      this.end(this.cancelling ? "cancelled" : "failed", { ok: false, error });
    }
  }

  end(state: "done" | "failed" | "cancelled", outcome: TaskOutcome): void {
    if (this.#outcome) return;
    this.#state = state;
    this.#outcome = outcome;
    this.#endedAt = new Date();
    this.#work?.release?.();
    this.#work = undefined;
    this.#tell();
    this.#listeners.clear();
    this.#resolve(outcome);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this);
  }
}
