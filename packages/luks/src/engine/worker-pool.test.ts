import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { afterAll, describe, expect, it } from "vitest";
import type { UnlockJob } from "./wire.ts";
import { WorkerPool } from "./worker-pool.ts";

/** A worker that answers each job with its number, but dies of a key slot above 7. */
const FRAGILE = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId } from "node:worker_threads";
    parentPort.on("message", ({ id, job }) => {
      if (job.keySlot === 8) throw new Error("crashed");
      if (job.keySlot === 9) process.exit(3);
      if (job.keySlot === 10) return;
      parentPort.postMessage({ id, result: { keySlot: threadId, secret: job.passphrase.length } });
    });`)}`,
);

/** Answers, and is then busy for a while: the answer may come only after the pool's end was asked for. */
const LATE = `data:text/javascript,${encodeURIComponent(`
  import { parentPort } from "node:worker_threads";
  parentPort.on("message", ({ id }) => {
    parentPort.postMessage({ id, result: {} });
    for (const start = performance.now(); performance.now() - start < 20;);
  });`)}`;

const job = (keySlot: number): UnlockJob => ({
  kind: "unlock",
  area: new Uint8Array(8),
  passphrase: new Uint8Array(randomBytes(16)),
  keySlot,
});

const pools: WorkerPool[] = [];
afterAll(() => Promise.all(pools.map((pool) => pool[Symbol.asyncDispose]())));

function start(size: number, entry: URL): WorkerPool {
  const pool = new WorkerPool(size, entry);
  pools.push(pool);
  return pool;
}

describe("WorkerPool", () => {
  it("keeps the process until its threads have ended, whatever they still answer", () => {
    const script = `
      const { WorkerPool } = await import(${JSON.stringify(new URL("./worker-pool.ts", import.meta.url))});
      const job = () => ({ kind: "unlock", area: new Uint8Array(8), passphrase: new Uint8Array(8) });
      for (let i = 0; i < 30; i++) {
        const pool = new WorkerPool(1, new URL(${JSON.stringify(LATE)}));
        await pool.run(job());
        pool.run(job()).catch(() => {});
        for (const start = performance.now(); performance.now() - start < 25;);
        await pool[Symbol.asyncDispose]();
      }
      console.log("ended");`;
    const args = [...process.execArgv, "--input-type=module", "-e", script];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    expect({ status, stdout }).toEqual({ status: 0, stdout: "ended\n" });
  });

  it("rejects the jobs of a thread that dies, and replaces it", async () => {
    const pool = start(1, FRAGILE);
    const first = await pool.run(job(0));
    const outcomes = await Promise.allSettled([pool.run(job(10)), pool.run(job(8))]);
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({
        status: "rejected",
        reason: { message: expect.stringContaining("worker stopped"), cause: { message: "crashed" } },
      });
    }
    const second = await pool.run(job(0));
    expect(second).not.toEqual(first);
    await expect(pool.run(job(9))).rejects.toThrow("exit code 3");
    await expect(pool.run(job(0))).resolves.toMatchObject({ secret: 16 });
  });

  it("hands secrets over instead of copying them", async () => {
    const pool = start(1, FRAGILE);
    const request = job(0);
    const { buffer } = request.passphrase;
    await pool.run(request);
    expect(buffer.detached).toBe(true);
  });

  it("wipes the secrets of a job that no thread takes any more", async () => {
    const pool = start(1, FRAGILE);
    await pool[Symbol.asyncDispose]();
    const request = job(0);
    await expect(pool.run(request)).rejects.toThrow("disposed");
    expect(request.passphrase.every((byte) => byte === 0)).toBe(true);
  });

  it("rejects what is running when it is disposed", async () => {
    const pool = start(2, FRAGILE);
    const [running] = await Promise.allSettled([pool.run(job(10)), pool[Symbol.asyncDispose]()]);
    expect(running).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringContaining("disposed") },
    });
  });

  it("fails every job, one after another, when the thread cannot start", async () => {
    const pool = start(1, new URL("./no-such-file.js", import.meta.url));
    const outcomes = await Promise.allSettled([pool.run(job(0)), pool.run(job(0)), pool.run(job(0))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  });
});
