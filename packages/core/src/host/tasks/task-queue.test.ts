import { describe, expect, test } from "vitest";
import { Task, type TaskScope } from "./task.ts";
import { TaskQueue } from "./task-queue.ts";

/** Work that ends when a test says so, or with its signal. */
class Job {
  readonly #done = Promise.withResolvers<unknown>();
  begun = false;
  released = 0;

  readonly request = {
    kind: "job",
    requestId: "req-1",
    release: (): void => void this.released++,
    run: async ({ signal }: TaskScope): Promise<unknown> => {
      this.begun = true;
      signal.addEventListener("abort", () => this.#done.reject(new Error("stopped")));
      return await this.#done.promise;
    },
  };

  end(): void {
    this.#done.resolve("document");
  }
}

/** Lets what was set off before happen. */
const turns = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("TaskQueue", () => {
  test("runs tasks in their order, so many at once, and starts none within submit", async () => {
    const queue = new TaskQueue({ running: 2, queued: 5 });
    const jobs = [new Job(), new Job(), new Job(), new Job()];
    for (const { request } of jobs) queue.submit(request);
    expect(jobs.map(({ begun }) => begun)).toEqual([false, false, false, false]);
    await turns();
    expect(jobs.map(({ begun }) => begun)).toEqual([true, true, false, false]);
    expect([queue.running, queue.queued]).toEqual([2, 2]);
    jobs.at(1)!.end();
    await turns();
    expect(jobs.map(({ begun }) => begun)).toEqual([true, true, true, false]);
    expect(queue.list().map(({ state }) => state)).toEqual(["running", "done", "running", "queued"]);
    for (const job of jobs) job.end();
    await Promise.all(queue.list().map(({ ended }) => ended));
    expect(jobs.map(({ released }) => released)).toEqual([1, 1, 1, 1]);
  });

  test("refuses a second task on one subject until the first has ended, and what is too much", async () => {
    const queue = new TaskQueue({ running: 1, queued: 1 });
    const first = new Job();
    queue.submit({ ...first.request, subject: "a" });
    const busy = expect.objectContaining({ code: "InstanceBusy", retryable: true });
    expect(() => queue.submit({ ...first.request, subject: "a" })).toThrow(busy);
    queue.submit({ ...first.request, subject: "b" });
    const full = expect.objectContaining({ code: "QueueFull", category: "unavailable" });
    expect(() => queue.submit({ ...first.request, subject: "c" })).toThrow(full);
    await turns();
    first.end();
    await turns();
    expect(() => queue.submit({ ...first.request, subject: "a" })).not.toThrow();
  });

  test("forgets the oldest that have ended, and transient ones at once, but none that has not", async () => {
    const queue = new TaskQueue({ running: 10, queued: 0, kept: 2 });
    const slow = new Job();
    const running = queue.submit(slow.request);
    const quick = { ...new Job().request, run: async () => "document" };
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) {
      const task = queue.submit(quick);
      ids.push(task.id);
      await task.ended;
    }
    await queue.submit({ ...quick, transient: true }).ended;
    expect(queue.list().map(({ id }) => id)).toEqual([running.id, ids[2], ids[3]]);
    expect(queue.find(ids.at(0)!)).toBeUndefined();
    slow.end();
  });

  test("stop drops what waits, lets what runs end, and takes nothing more", async () => {
    const queue = new TaskQueue({ running: 1, queued: 5 });
    const [runs, waits] = [new Job(), new Job()];
    const [running, waiting] = [queue.submit(runs.request), queue.submit(waits.request)];
    await turns();
    const stopped = queue.stop(60_000);
    expect(waiting).toMatchObject({ state: "cancelled", outcome: { error: { code: "DaemonStopping" } } });
    expect(waits).toMatchObject({ begun: false, released: 1 });
    expect(() => queue.submit(runs.request)).toThrow(expect.objectContaining({ code: "DaemonStopping" }));
    runs.end();
    await stopped;
    expect(running.state).toBe("done");
  });

  test("stop cancels what does not end in time, and waits for it", async () => {
    const queue = new TaskQueue({ running: 1, queued: 0 });
    const task = queue.submit(new Job().request);
    await turns();
    await queue.stop(1);
    expect(task).toMatchObject({ state: "cancelled", outcome: { ok: false } });
  });
});

describe("Task", () => {
  test("tells each change, and its end once, also to who cancels it when it is over", async () => {
    const job = new Job();
    const task = new Task(job.request);
    const seen: string[] = [];
    task.subscribe(({ state, cancelling }) => seen.push(cancelling ? `${state}, cancelling` : state));
    const running = task.run();
    task.cancel(new Error("enough"));
    task.cancel(new Error("again"));
    await running;
    task.cancel(new Error("late"));
    expect(seen).toEqual(["running", "running, cancelling", "cancelled, cancelling"]);
    expect(await task.ended).toMatchObject({ ok: false, error: { message: "stopped" } });
  });

  test("that ends well though it was asked to stop is done", async () => {
    const task = new Task({ kind: "delete", requestId: "req-1", run: async () => "gone" });
    const running = task.run();
    task.cancel(new Error("too late"));
    await running;
    expect(task).toMatchObject({ state: "done", outcome: { ok: true, document: "gone" } });
  });
});
