import { readdirSync, readFileSync } from "node:fs";
import { Agent, type IncomingMessage, request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TemporaryHost } from "../temporary-host.ts";
import { daemonHost, DaemonProcess, socketOf } from "./running-daemon.ts";

/** The whole of it: LUKSMITH_LOAD=10000. */
const REQUESTS = Number(process.env["LUKSMITH_LOAD"] ?? 500);
const CLIENTS = 200;

let host: TemporaryHost;
let daemon: DaemonProcess;
beforeAll(async () => {
  host = await daemonHost();
  daemon = await DaemonProcess.start(host);
}, 30_000);
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

interface Timed {
  readonly kind: string;
  readonly status: number;
  readonly ms: number;
}

/** One client with one connection, which does its share and tries again where it is told to. */
class Client {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly timed: Timed[] = [];

  async ask(kind: string, method: string, path: string, body?: unknown): Promise<number> {
    for (;;) {
      const began = performance.now();
      const { status, retry } = await this.#send(method, path, body);
      this.timed.push({ kind, status, ms: performance.now() - began });
      if (!retry) return status;
      await new Promise((resolve) => setTimeout(resolve, 20 + 100 * Math.random()));
    }
  }

  async #send(method: string, path: string, body: unknown): Promise<{ status: number; retry: boolean }> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const headers: Record<string, string> = body === undefined ? {} : { "content-type": "application/json" };
    const sent = httpRequest({ socketPath: socketOf(host), method, path, agent: this.#agent, headers });
    sent.once("response", resolve).once("error", reject);
    sent.end(body === undefined ? undefined : JSON.stringify(body));
    const response = await promise;
    for await (const _ of response);
    return { status: response.statusCode ?? 0, retry: response.headers["retry-after"] !== undefined };
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Creates and deletes one instance, and looks and errs in between: ten requests. */
async function tenRequests(client: Client): Promise<void> {
  const request = host.request({ disk: 0, ephemeral: 0, swap: 1 });
  const path = `/v1/instances/${request.server.id}`;
  expect(await client.ask("create", "POST", "/v1/instances", request)).toBe(201);
  for (let i = 0; i < 4; i++) expect(await client.ask("show", "GET", path)).toBe(200);
  expect(await client.ask("refused", "POST", "/v1/instances", { server: i32() })).toBe(400);
  expect(await client.ask("verify", "POST", `${path}/verify`)).toBe(200);
  expect(await client.ask("health", "GET", "/healthz")).toBe(200);
  expect(await client.ask("missing", "GET", "/v1/instances/none")).toBe(404);
  expect(await client.ask("delete", "DELETE", path)).toBe(200);
}

const i32 = () => Math.floor(Math.random() * 2 ** 31);

function residentKb(): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, "utf8"))?.[1]);
}

function descriptors(): number {
  return readdirSync(`/proc/${daemon.pid}/fd`).length;
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0) * 10) / 10;
}

describe(`${CLIENTS} clients and ${REQUESTS} requests`, () => {
  test("are all answered, and nothing of them stays", { timeout: 600_000 }, async () => {
    const first = new Client();
    await tenRequests(first); // plugins and threads are there now
    first.close();
    const before = { rss: residentKb(), fds: descriptors() };
    let rounds = Math.ceil(REQUESTS / 10);
    const began = performance.now();
    const clients = Array.from({ length: CLIENTS }, () => new Client());
    await Promise.all(
      clients.map(async (client) => {
        while (rounds-- > 0) await tenRequests(client);
        client.close();
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    const timed = clients.flatMap((client) => client.timed);
    if (process.env["LUKSMITH_LOAD"]) {
      const kinds = [...new Set(timed.map(({ kind }) => kind))].map((kind) => {
        const own = timed.filter((each) => each.kind === kind);
        const ms = own.map((each) => each.ms);
        return {
          kind,
          count: own.length,
          p50: quantile(ms, 0.5),
          p95: quantile(ms, 0.95),
          max: quantile(ms, 1),
        };
      });
      const busy = timed.filter(({ status }) => status === 503).length;
      await new Promise((resolve) => setTimeout(resolve, 2000));
      const after = { rss: residentKb(), fds: descriptors() };
      console.log({ seconds, rate: Math.round(timed.length / seconds), busy, before, after });
      console.table(kinds);
    }
    expect(timed.length).toBeGreaterThanOrEqual(REQUESTS);
    expect(timed.filter(({ status }) => status >= 500 && status !== 503)).toEqual([]);
    while (descriptors() > before.fds) await new Promise((resolve) => setTimeout(resolve, 20));
    const ready = (await daemon.call("GET", "/readyz")).json;
    expect(ready).toMatchObject({ ready: true, running: 0, queued: 0, unfinished: 0 });
    expect((await daemon.call("GET", "/v1/instances")).json).toEqual({
      instances: [],
      snapshots: [],
      unfinished: [],
    });
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    const metrics = (await daemon.call("GET", "/metrics")).text;
    const creates = Number(/_count\{operation="create",outcome="done"\} (\d+)/.exec(metrics)?.[1]);
    const deletes = Number(/_count\{operation="delete",outcome="done"\} (\d+)/.exec(metrics)?.[1]);
    expect([creates, deletes]).toEqual([1 + Math.ceil(REQUESTS / 10), creates]);
    expect(daemon.log.split("\n").filter((line) => line.includes('"level":50'))).toEqual([]);
  });
});
