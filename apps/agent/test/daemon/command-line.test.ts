import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import { MemoryIo } from "../memory-io.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { gate, openGate } from "./gated-keys.ts";
import { Daemon, daemonHost, DaemonProcess } from "./running-daemon.ts";

const GATED = `plugins = @luksmith/backend-raw, ${join(import.meta.dirname, "gated-keys.ts")}`;

let host: TemporaryHost;
let daemon: Daemon;
beforeAll(async () => {
  host = await daemonHost();
  await host.configure(GATED, `socket = ${host.path}/luksmith.sock`);
  daemon = await Daemon.start(host);
});
afterEach(() => openGate());
afterAll(async () => {
  openGate();
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

const small = () => host.request({ disk: 0, ephemeral: 0, swap: 16 });

async function kinds(): Promise<readonly string[]> {
  const { tasks } = (await daemon.call<{ tasks: TaskDocument[] }>("GET", "/v1/tasks")).json;
  return tasks.map(({ kind }) => kind);
}

describe("while the daemon runs, commands that change something", () => {
  test("have it done by the daemon, with the output of old", async () => {
    const request = small();
    const { id } = request.server;
    const created = await host.json<{ disks: { encryption_secret_uuid: string }[] }>(
      ["create", "-f", "-"],
      request,
    );
    expect({ ...created, unfinished: [] }).toEqual(await host.json(["show", id]));
    expect(await host.json(["resize", id, "disk.swap", "32M"])).toMatchObject({ virtual_size: 32 << 20 });
    expect(await host.json(["rekey", id])).toMatchObject({ uuid: id, disks: [{}, {}] });
    const copy = await host.json<{ uuid: string; path: string }>(["snapshot", id, "disk.swap", "copy.img"]);
    expect(copy.path).toBe(join(host.path, "copy.img"));
    expect(await host.json(["recover"])).toEqual({ operations: [] });
    expect(await host.json(["cache", "prune"])).toMatchObject({ dry_run: false, bases: [] });
    expect((await host.run(["verify", id])).exitCode).toBe(0);
    expect((await host.run(["delete", copy.uuid])).out).toBe(
      `deleted snapshot ${copy.uuid} and its passphrases\n`,
    );
    expect((await host.run(["delete", id])).out).toContain(`deleted instance ${id}`);
    expect(await kinds()).toEqual([
      "create",
      "resize",
      "rekey",
      "snapshot",
      "recover",
      "cache-prune",
      "delete",
      "delete",
    ]);
  });

  test("fail with the codes, messages and exit codes of old", async () => {
    const request = small();
    await host.json(["create", "-f", "-"], request);
    const io = new MemoryIo({ stdin: JSON.stringify(request) });
    const { exitCode, out, err } = await host.run(["create", "-f", "-", "--json"], io);
    expect([exitCode, out]).toEqual([73, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "InstanceExists", category: "conflict" } });
    const shrunk = await host.run(["resize", request.server.id, "disk.swap", "1M"]);
    expect([shrunk.exitCode, shrunk.err]).toEqual([69, expect.stringContaining("luksmith: CannotShrink: ")]);
    expect((await host.run(["delete", "nobody"])).exitCode).toBe(66);
    const flat = await host.run(["flatten", request.server.id, "disk"]);
    expect([flat.exitCode, flat.err]).toEqual([69, expect.stringContaining("UnsupportedOperation")]);
    const wrong = await host.run(["create", "-f", "-"], new MemoryIo({ stdin: "{" }));
    expect([wrong.exitCode, wrong.err]).toEqual([
      64,
      expect.stringContaining("standard input:1:2: not JSON"),
    ]);
  });

  test("secret reveal prints the passphrase, and the trail says how it was asked for", async () => {
    const created = await host.json<{ disks: { encryption_secret_uuid: string }[] }>(
      ["create", "-f", "-"],
      small(),
    );
    const id = created.disks.at(0)!.encryption_secret_uuid;
    const { out, exitCode } = await host.run(["secret", "reveal", id]);
    expect([exitCode, out.length]).toEqual([0, 88]);
    expect(await host.json(["secret", "reveal", id])).toEqual({ passphrase: out });
    expect(daemon.io.err).not.toContain(out);
    const { lines } = await host.json<{ lines: readonly object[] }>(["audit", "export", "--about", id]);
    expect(lines.at(-1)).toMatchObject({
      event: "key.read",
      secret: id,
      origin: { via: "socket", who: expect.stringMatching(/ \(uid \d+\)$/), purpose: "secret reveal" },
    });
    expect(await host.json(["audit", "verify"])).toMatchObject({ ok: true, findings: [] });
  });

  test("are cancelled with their task when they are interrupted", async () => {
    gate().closed = true;
    const request = small();
    const io = new MemoryIo({ stdin: JSON.stringify(request) });
    const ran = host.run(["create", "-f", "-"], io);
    while (gate().waiting.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    io.interrupt("SIGINT");
    const { exitCode, out, err } = await ran;
    expect([exitCode, out]).toEqual([130, ""]);
    expect(err).toContain("luksmith: Cancelled: ");
    expect((await host.run(["show", request.server.id])).exitCode).toBe(66);
    expect(existsSync(join(host.path, "instances", request.server.id))).toBe(false);
  });

  test("pass the user's token on, and nobody logs it", async () => {
    const file = join(host.path, "request.json");
    writeFileSync(file, JSON.stringify(small()));
    const token = "gAAAAAB-command-line-token";
    const io = new MemoryIo({ stdin: `${token}\n` });
    const { exitCode, err } = await host.run(["--os-token-stdin", "create", "-f", file], io);
    expect([exitCode, err, gate().lastToken]).toEqual([0, "", token]);
    expect(daemon.io.err).not.toContain(token);
  });

  test("take a socket that answers for another state for none", async () => {
    await using other = await daemonHost();
    await other.configure(
      "plugins = @luksmith/backend-raw, @luksmith/keymgr-local",
      `socket = ${host.path}/luksmith.sock`,
    );
    const before = (await kinds()).length;
    await other.json(["create", "-f", "-"], other.request({ disk: 0, ephemeral: 0, swap: 0 }));
    expect((await kinds()).length).toBe(before);
    expect(readdirSync(join(other.path, "instances"))).toHaveLength(1);
  });
});

describe("a daemon that is killed while a command waits", () => {
  test("exits with 75, and the next command takes back what was begun", async () => {
    await using own = await daemonHost();
    await using killed = await DaemonProcess.start(own, "image");
    const io = new MemoryIo({ stdin: JSON.stringify(own.request({ disk: 0, ephemeral: 0, swap: 0 })) });
    const { exitCode, err } = await own.run(["create", "-f", "-", "--json"], io);
    expect([exitCode, JSON.parse(err)]).toEqual([
      75,
      { error: expect.objectContaining({ code: "DaemonUnavailable" }) },
    ]);
    await killed.stop("SIGKILL");
    expect(await own.json(["recover"])).toMatchObject({
      operations: [{ kind: "create", outcome: "undone" }],
    });
    expect(readdirSync(join(own.path, "instances"))).toEqual([]);
  });
});

describe("without a daemon", () => {
  test("list loads nothing of it", async () => {
    await using own = await daemonHost();
    const hook = `import { registerHooks } from "node:module";
      registerHooks({ load: (url, context, next) => (process.stderr.write(url + "\\n"), next(url, context)) });`;
    const main = join(import.meta.dirname, "../../src/main.ts");
    const imports = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
    const args = ["--conditions=luksmith-source", ...imports, main, "--config-file", own.configFile, "list"];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
    let loaded = "";
    child.stderr.on("data", (chunk: Buffer) => (loaded += chunk.toString()));
    await once(child, "close");
    expect(loaded).toContain("apps/agent/src/main.ts");
    expect(
      loaded.split("\n").filter((url) => /fastify|prom-client|src\/(daemon|client|actions)\//.test(url)),
    ).toEqual([]);
  });
});
