import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { silentLogger } from "@luksmith/core";
import { loadConfig, WritableHost } from "@luksmith/core/host";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { serve } from "../../src/daemon/daemon.ts";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import { pluginModules } from "../../src/plugin-modules.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { gate, openGate } from "./gated-keys.ts";
import { call, daemonHost, socketOf } from "./running-daemon.ts";

const LIMITS = { headersMs: 500, requestMs: 1000, idleMs: 500, stalledMs: 700, connections: 40 };
const GATED = `plugins = @luksmith/backend-raw, ${join(import.meta.dirname, "gated-keys.ts")}`;

let host: TemporaryHost;
let ended: Promise<void>;
const stop = new AbortController();
beforeAll(async () => {
  host = await daemonHost();
  await host.configure(GATED, `socket = ${socketOf(host)}`);
  const config = await loadConfig({ files: [host.configFile] });
  const ctx = { requestId: "req-test", signal: stop.signal, log: silentLogger };
  const open = () => WritableHost.write(config, { importModule: pluginModules.import, command: "test" }, ctx);
  ended = serve({ config, version: "test", env: {}, open, limits: LIMITS }, ctx);
  while (!(await call(socketOf(host), "GET", "/healthz").catch(() => undefined))) continue;
});
afterAll(async () => {
  openGate();
  stop.abort();
  await ended;
  await host[Symbol.asyncDispose]();
});

async function client(): Promise<Socket> {
  const socket = connect(socketOf(host));
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** What it is sent until the daemon closes it. */
async function closed(socket: Socket): Promise<string> {
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => socket.once("close", resolve)); // `once` of node:events would reject at an EPIPE
  return text;
}

const healthy = async () => (await call(socketOf(host), "GET", "/healthz")).status;

describe("a client", () => {
  test("that connects and says nothing is cut off", async () => {
    expect(await closed(await client())).toMatch(/^(?:HTTP\/1\.1 408 [^]*)?$/);
  });

  test("that never ends its headers is cut off, however often it writes", async () => {
    const socket = await client();
    const drip = setInterval(() => socket.write("x"), 50);
    socket.write("GET /healthz HTTP/1.1\r\nx-a: ");
    expect(await closed(socket)).toMatch(/^(?:HTTP\/1\.1 408 [^]*)?$/); // or it was writing just then
    clearInterval(drip);
  });

  test("that never ends its body is cut off, and nothing was begun", async () => {
    const socket = await client();
    socket.write(
      "POST /v1/instances HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{",
    );
    const drip = setInterval(() => socket.write(" "), 50);
    expect(await closed(socket)).toMatch(/^(?:HTTP\/1\.1 408 [^]*)?$/);
    clearInterval(drip);
    const { tasks } = (await call<{ tasks: TaskDocument[] }>(socketOf(host), "GET", "/v1/tasks")).json;
    expect(tasks).toEqual([]);
  });

  test("that keeps its connection and asks nothing more is cut off", async () => {
    const socket = await client();
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    expect(await closed(socket)).toMatch(/^HTTP\/1\.1 200 OK[^]*\{"status":"ok"\}$/);
  });

  test("that ends its side and waits for the answer gets it", async () => {
    const socket = await client();
    socket.end("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect(await closed(socket)).toMatch(/\{"status":"ok"\}$/);
  });

  test("that reads nothing of what it asked for is cut off", async () => {
    const socket = await client();
    socket.pause();
    const ask = "GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n";
    socket.write(ask.repeat(100)); // some megabytes: more than the kernel keeps
    while (!socket.closed) {
      // A socket that is not read from learns of the other end by writing.
      socket.write(ask);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await healthy()).toBe(200);
  });

  test("that waits for a long operation may wait longer than all these limits", async () => {
    gate().closed = true;
    const body = host.request({ disk: 0, ephemeral: 0, swap: 0 });
    const waiting = call(socketOf(host), "POST", "/v1/instances", { body });
    await new Promise((resolve) => setTimeout(resolve, 2 * LIMITS.requestMs));
    openGate();
    expect((await waiting).status).toBe(201);
  });

  test("that goes away while it waits loses nothing: the operation is done", async () => {
    gate().closed = true;
    const { server, image } = host.request({ disk: 0, ephemeral: 0, swap: 0 });
    const body = JSON.stringify({ server, image });
    const socket = await client();
    socket.write(
      `POST /v1/instances HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    while (gate().waiting.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    openGate();
    const path = `/v1/instances/${server.id}`;
    while ((await call(socketOf(host), "GET", path)).status !== 200) continue;
    expect((await host.run(["verify", server.id])).exitCode).toBe(0);
  });

  test("of more than there may be is turned away, and the others are served", async () => {
    const sockets = await Promise.all(Array.from({ length: LIMITS.connections - 1 }, client));
    expect(await healthy()).toBe(200);
    const more = await Promise.all(Array.from({ length: 20 }, client));
    await Promise.all(more.slice(1).map(closed));
    for (const socket of [...sockets, ...more]) socket.destroy();
    while ((await healthy().catch(() => 0)) !== 200) continue;
  });
});
