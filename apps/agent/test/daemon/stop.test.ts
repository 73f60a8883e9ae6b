import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "../memory-io.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { gate, openGate } from "./gated-keys.ts";
import { call, Daemon, daemonHost, DaemonProcess, socketOf } from "./running-daemon.ts";

const PLAIN = "plugins = @luksmith/backend-raw, @luksmith/keymgr-local";
const GATED = `plugins = @luksmith/backend-raw, ${join(import.meta.dirname, "gated-keys.ts")}`;

let host: TemporaryHost;
beforeEach(async () => void (host = await daemonHost()));
afterEach(async () => {
  openGate();
  await host[Symbol.asyncDispose]();
});

const small = () => host.request({ disk: 0, ephemeral: 0, swap: 0 });

async function waitingCreates(count: number): Promise<void> {
  while (gate().waiting.size < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

describe("SIGTERM", () => {
  test("lets what runs end, drops what waits, refuses what comes, and exits with 0", async () => {
    await host.configure(GATED, `socket = ${socketOf(host)}`, "max_operations = 1");
    const daemon = await Daemon.start(host);
    gate().closed = true;
    const [runs, waits] = [small(), small()];
    const running = daemon.call("POST", "/v1/instances", { body: runs });
    await waitingCreates(1);
    const waiting = daemon.call("POST", "/v1/instances", { body: waits });
    while (!(await daemon.call("GET", "/readyz")).text.includes('"queued":1')) continue;
    const stopped = daemon.stop();
    expect(await waiting).toMatchObject({ status: 503, json: { error: { code: "DaemonStopping" } } });
    await expect(call(socketOf(host), "GET", "/healthz")).rejects.toThrow(/ENOENT|ECONNREFUSED/);
    daemon.io.interrupt("SIGTERM");
    openGate();
    expect((await running).status).toBe(201);
    expect(await stopped).toBe(0);
    expect(daemon.io.err).toContain("must not be cut short");
    expect(existsSync(socketOf(host))).toBe(false);
    expect(await host.json(["list"])).toMatchObject({ instances: [{ uuid: runs.server.id }] });
  });

  test("takes back what does not end in stop_timeout", async () => {
    await host.configure(GATED, `socket = ${socketOf(host)}`, "stop_timeout = 0");
    const daemon = await Daemon.start(host);
    gate().closed = true;
    const running = daemon.call("POST", "/v1/instances", { body: small() });
    await waitingCreates(1);
    expect(await daemon.stop()).toBe(0);
    expect(await running).toMatchObject({ status: 499, json: { error: { code: "Cancelled" } } });
    expect(await host.json(["recover"])).toEqual({ operations: [] });
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
  });

  test("a process ends with 0 and without its socket", async () => {
    await using daemon = await DaemonProcess.start(host);
    expect((await daemon.call("GET", "/healthz")).status).toBe(200);
    expect(await daemon.stop()).toBe(0);
    expect(existsSync(socketOf(host))).toBe(false);
    expect(daemon.log).toContain('"stopped"');
  });
});

describe("serve", () => {
  async function refused(): Promise<{ code: string; message: string }> {
    const io = new MemoryIo({ cwd: host.path });
    const { err, exitCode } = await host.run(["--json", "serve"], io);
    expect(exitCode).not.toBe(0);
    return (JSON.parse(err.trimEnd().split("\n").at(-1)!) as { error: { code: string; message: string } })
      .error;
  }

  test("refuses to be the second on one state", async () => {
    await using _first = await Daemon.start(host);
    expect(await refused()).toMatchObject({ code: "StateLocked", message: expect.stringContaining("serve") });
  });

  test("takes the place of a socket that a killed daemon left, and of no other", async () => {
    {
      await using killed = await DaemonProcess.start(host);
      await killed.stop("SIGKILL");
    }
    expect(existsSync(socketOf(host))).toBe(true);
    {
      await using daemon = await Daemon.start(host);
      expect((await daemon.call("GET", "/healthz")).status).toBe(200);
    }
    const server = createServer().listen(socketOf(host));
    expect(await refused()).toMatchObject({ code: "SocketInUse" });
    await new Promise((resolve) => server.close(resolve));
    writeFileSync(socketOf(host), "");
    expect(await refused()).toMatchObject({
      code: "SocketUnsafe",
      message: expect.stringContaining("no socket"),
    });
  });

  test.each([
    [0o777, "SocketUnsafe"],
    [0o720, "SocketUnsafe"],
    [0o1777, "it listens"],
  ])("refuses a directory of mode %o, and one below it: %s", async (mode, outcome) => {
    const directory = join(host.path, "open");
    mkdirSync(directory);
    chmodSync(directory, mode);
    await host.configure(PLAIN, `socket = ${directory}/luksmith.sock`);
    expect(await refused()).toMatchObject({
      code: "SocketUnsafe",
      message: expect.stringContaining("chmod go-w"),
    });
    const below = join(directory, "below");
    mkdirSync(below, { mode: 0o700 });
    await host.configure(PLAIN, `socket = ${below}/luksmith.sock`);
    const io = new MemoryIo({ cwd: host.path });
    const ran = host.run(["--json", "serve"], io);
    while (!/"listening"|"error"/.test(io.err)) await new Promise((resolve) => setTimeout(resolve, 5));
    io.interrupt("SIGTERM");
    await ran;
    expect(io.err).toContain(outcome === "it listens" ? '"listening"' : outcome);
  });

  test("refuses a directory that is not there, a link that goes nowhere, a group that is none", async () => {
    await host.configure(PLAIN, `socket = ${host.path}/absent/luksmith.sock`);
    expect(await refused()).toMatchObject({
      code: "SocketUnsafe",
      message: expect.stringContaining("does not exist"),
    });
    symlinkSync("/nonexistent", join(host.path, "link.sock"));
    await host.configure(PLAIN, `socket = ${host.path}/link.sock`);
    expect(await refused()).toMatchObject({ code: "SocketUnsafe" });
    await host.configure(PLAIN, `socket = ${socketOf(host)}`, "socket_group = no-such-group-here");
    expect(await refused()).toMatchObject({
      code: "ConfigInvalid",
      message: expect.stringContaining("groupadd"),
    });
    expect(existsSync(socketOf(host))).toBe(false);
  });

  test.runIf(process.getuid?.() === 0)("gives the socket to a group, by name or number", async () => {
    for (const group of ["daemon", "1"]) {
      await host.configure(PLAIN, `socket = ${socketOf(host)}`, `socket_group = ${group}`);
      await using _daemon = await Daemon.start(host);
      const { mode, gid } = statSync(socketOf(host));
      expect([mode & 0o777, gid]).toEqual([0o660, 1]);
    }
  });
});
