import { readdirSync } from "node:fs";
import { type OwnLibvirt, startLibvirt } from "@luksmith/testing-services";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { SpawnedDocument } from "../../src/actions/spawned-document.ts";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { ask, guestHost, instanceFiles, libvirtHas, smallGuest, storedSecrets } from "./guest-daemon.ts";
import { Daemon } from "./running-daemon.ts";

let env: OwnLibvirt;
// One for each test: what a failed one leaves would fail its repetition, and all others.
beforeEach(async () => void (env = await startLibvirt()), 60_000);
afterEach(() => env[Symbol.asyncDispose]());

/** Seconds: short, and still enough for a start, which gets twice that, on a busy machine. */
const TIMEOUT = 4;

type R = ReturnType<typeof smallGuest>;

interface Failure {
  readonly error?: { readonly code: string; readonly message: string; readonly retryable: boolean };
}

/** Ways in which libvirt is not there, how it comes back, and what is answered meanwhile. */
const WAYS = [
  {
    way: "stopped",
    away: () => env.stop(),
    back: () => env.start(),
    told: { status: 503, code: "LibvirtUnavailable", advice: /start it|try again/ },
    instants: [],
  },
  {
    way: "killed",
    away: () => env.kill9(),
    back: () => env.start(),
    told: { status: 503, code: "LibvirtUnavailable", advice: /start it|try again/ },
    instants: [30, 150],
  },
  {
    way: "stalled",
    away: () => env.signal("STOP"),
    back: () => env.signal("CONT"),
    told: { status: 504, code: "LibvirtTimedOut", advice: /restart it if it hangs, then try again/ },
    instants: [100],
  },
] as const;

async function newHost(): Promise<TemporaryHost> {
  const host = await guestHost(env, { timeout: TIMEOUT });
  onTestFinished(() => host[Symbol.asyncDispose]());
  return host;
}

const spawn = (host: TemporaryHost, request: unknown, start = true) =>
  ask<SpawnedDocument & Failure>(host, "POST", "/v1/guests", { request, start });

/** Nothing is left of anything: guests, keys, passphrases, files, tasks, unfinished operations. */
async function expectNothing(host: TemporaryHost): Promise<void> {
  expect(await libvirtHas(env)).toEqual({ guests: {}, keys: 0 });
  expect(instanceFiles(host)).toEqual([]);
  const ready = await ask(host, "GET", "/readyz");
  expect(ready.json).toMatchObject({ running: 0, queued: 0, unfinished: 0, resuming: 0 });
  expect((await ask(host, "GET", "/v1/instances")).json).toEqual({
    instances: [],
    snapshots: [],
    unfinished: [],
  });
}

describe.each(WAYS)("while libvirt is $way", ({ away, back, told }) => {
  test("guests' operations say so in time, the others go on, and all works once it is back", async () => {
    const host = await newHost();
    {
      await using _daemon = await Daemon.start(host);
      const [runs, soft, off, plain] = [1, 2, 3, 4].map(() => smallGuest(host)) as [R, R, R, R];
      expect((await spawn(host, runs)).status).toBe(201);
      expect((await spawn(host, soft)).status).toBe(201);
      expect((await spawn(host, off, false)).status).toBe(201);
      const fds = descriptors();
      await away();
      try {
        const reboot = (hard: boolean) =>
          timed(ask(host, "POST", `/v1/guests/${soft.server.id}/reboot`, { hard }));
        const asked = await Promise.all([
          timed(spawn(host, smallGuest(host))),
          timed(ask(host, "POST", `/v1/guests/${off.server.id}/start`)),
          timed(ask(host, "POST", `/v1/guests/${runs.server.id}/stop`, { timeout_ms: 0 })),
          reboot(false),
        ]);
        asked.push(
          ...(await Promise.all([
            reboot(true),
            timed(ask(host, "DELETE", `/v1/instances/${off.server.id}`)),
          ])),
        );
        for (const { status, json, ms } of asked) {
          expect([status, json.error]).toEqual([
            told.status,
            expect.objectContaining({ code: told.code, retryable: true }),
          ]);
          expect(json.error?.message).toMatch(told.advice);
          // Taking back and looking again are calls, too.
          expect(ms).toBeLessThan(6 * TIMEOUT * 1000);
        }
        // What needs no libvirt is done.
        expect((await ask(host, "POST", "/v1/instances", plain)).status).toBe(201);
        expect((await ask(host, "GET", "/healthz")).status).toBe(200);
      } finally {
        await back();
      }
      const { tasks } = (await ask<{ tasks: TaskDocument[] }>(host, "GET", "/v1/tasks")).json;
      expect(tasks.filter(({ state }) => state === "running" || state === "queued")).toEqual([]);
      expect(tasks.filter(({ state }) => state === "failed")).toHaveLength(6);

      const again = smallGuest(host);
      expect((await spawn(host, again)).status).toBe(201);
      for (const { server } of [off, runs, soft]) {
        const { status, text } = await ask(host, "POST", `/v1/guests/${server.id}/start`);
        expect([status, text]).toEqual([200, expect.any(String)]);
      }
      expect((await ask(host, "POST", `/v1/guests/${runs.server.id}/reboot`, { hard: true })).status).toBe(
        200,
      );
      const states = (await libvirtHas(env)).guests;
      expect(states).toEqual(
        Object.fromEntries([runs, soft, off, again].map((each) => [each.server.id, "running"])),
      );
      for (const { server } of [runs, soft, off, plain, again]) {
        const { status, text } = await ask(host, "DELETE", `/v1/instances/${server.id}`);
        expect([status, text]).toEqual([200, expect.any(String)]);
      }
      await expectNothing(host);
      await expect.poll(descriptors, { timeout: 5000 }).toBeLessThanOrEqual(fds);
    }
    expect(await storedSecrets(host)).toEqual([]);
  }, 90_000);
});

test.each(WAYS.slice(1))(
  "a spawn in the middle of which libvirt is $way is whole or nothing once it is back",
  async ({ away, back, instants }) => {
    const host = await newHost();
    {
      await using _daemon = await Daemon.start(host);
      for (const afterMs of instants) {
        const request = smallGuest(host);
        const spawning = spawn(host, request);
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        await away();
        const { status, json } = await spawning.finally(back);
        const made = status === 201;
        const told = made ? "made" : (json.error?.code ?? "nothing");
        expect(told).toMatch(/^made$|LibvirtUnavailable|LibvirtTimedOut|CleanupFailed/);
        await expect
          .poll(async () => (await ask(host, "POST", "/v1/recover")).text, { timeout: 20_000 })
          .not.toContain("failed");
        expect((await ask(host, "GET", "/readyz")).json).toMatchObject({ unfinished: 0 });
        const { id } = request.server;
        expect((await libvirtHas(env)).guests).toEqual(made ? { [id]: "running" } : {});
        expect((await ask(host, "DELETE", `/v1/instances/${id}`)).status).toBe(made ? 200 : 404);
        await expectNothing(host);
      }
    }
    expect(await storedSecrets(host)).toEqual([]);
  },
  90_000,
);

/** Of this process, in which the daemon runs. */
function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

async function timed<T>(work: Promise<T>): Promise<T & { readonly ms: number; readonly json: Failure }> {
  const began = performance.now();
  const done = await work;
  return { ...done, ms: performance.now() - began } as T & { ms: number; json: Failure };
}
