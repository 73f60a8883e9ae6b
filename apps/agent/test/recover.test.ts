import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

const CRASH = join(import.meta.dirname, "crash-run.ts");

let host: TemporaryHost;
beforeEach(async () => void (host = await TemporaryHost.create()));
afterEach(() => host[Symbol.asyncDispose]());

function crashAt(event: string, argv: readonly string[], input: unknown): void {
  const args = ["--conditions=luksmith-source", CRASH, event, "--config-file", host.configFile, ...argv];
  const { signal } = spawnSync(process.execPath, args, { input: JSON.stringify(input) });
  expect(signal).toBe("SIGKILL");
}

describe("recover", () => {
  test("says that nothing was left unfinished", async () => {
    expect(await host.run(["recover"])).toMatchObject({ exitCode: 0, out: "nothing was left unfinished\n" });
    expect(await host.json(["recover"])).toEqual({ operations: [] });
  });

  test("takes back a create that was killed", async () => {
    const request = host.request();
    crashAt("image", ["create", "-f", "-"], request);
    const { operations } = await host.json<{ operations: unknown[] }>(["recover"]);
    expect(operations).toMatchObject([{ kind: "create", subject: request.server.id, outcome: "undone" }]);
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    expect(await host.json(["recover"])).toEqual({ operations: [] });
  });

  test("exits with 65 when an operation could not be ended, which the next one tries again", async () => {
    crashAt("image", ["create", "-f", "-"], host.request());
    const io = new MemoryIo();
    await host.configure("key_encryption_key_file = /nonexistent/key");
    const { exitCode, out, err } = await host.run(["recover", "--json"], io);
    expect(exitCode).toBe(65);
    expect(JSON.parse(out)).toMatchObject({ operations: [{ kind: "create", outcome: "failed" }] });
    expect(JSON.parse(err.trimEnd().split("\n").at(-1)!)).toMatchObject({
      error: { code: "RecoveryIncomplete" },
    });
    await host.configure();
    expect(await host.json(["recover"])).toMatchObject({ operations: [{ outcome: "undone" }] });
  });
});

describe("a second writer", () => {
  test("is refused, and the first is named", async () => {
    const args = ["--conditions=luksmith-source", "--input-type=module", "-e"];
    const lock = join(import.meta.dirname, "../../../packages/core/src/journal/state-lock.ts");
    await host.run(["recover"]);
    const hold = `import { StateLock } from ${JSON.stringify(lock)};
      globalThis.lock = StateLock.acquire(${JSON.stringify(join(host.path, "state"))}, "luksmith test");
      console.log("held"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, [...args, hold], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    const { exitCode, err } = await host.run(["recover"]);
    holder.kill("SIGKILL");
    expect([exitCode, err]).toEqual([
      73,
      expect.stringContaining(`process ${holder.pid} (luksmith test, since `),
    ]);
    await once(holder, "exit");
  });
});
