import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtempDisposable } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import { call, startOpenStack } from "../src/index.ts";
import { PortTaken, ServiceProcess } from "../src/openstack/service-process.ts";

const START_MS = 330_000;

/** Ids of the processes that have this on their command line. */
function processesWith(word: string): readonly string[] {
  return readdirSync("/proc").filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  });
}

test("two environments at once are two", { timeout: START_MS }, async () => {
  const [one, two] = await Promise.all([
    startOpenStack({ services: ["keystone"] }),
    startOpenStack({ services: ["keystone"] }),
  ]);
  await using stack = new AsyncDisposableStack();
  stack.use(one);
  stack.use(two);
  expect(one.user("alice").password).not.toBe(two.user("alice").password);
  const token = await one.issueToken("alice");
  const check = (url: string) =>
    call("GET", `${url}/auth/tokens`, { token, headers: { "x-subject-token": token } });
  expect((await check(one.urls.keystone)).status).toBe(200);
  await expect(check(two.urls.keystone)).rejects.toThrow(/ 401 /);
});

test(
  "a service that is stopped refuses, and has its data when it is back",
  { timeout: START_MS },
  async () => {
    const openstack = await startOpenStack({ services: ["barbican"] });
    const { stateDirectory } = openstack.info;
    {
      await using _ = openstack;
      const token = await openstack.issueToken("alice");
      const url = `${openstack.urls.barbican}/v1/secrets`;
      await call("POST", url, { token, json: { name: "kept", secret_type: "passphrase" } });
      for (const by of ["SIGKILL", "SIGTERM"] as const) {
        await openstack.stopService("barbican", by);
        await openstack.stopService("barbican", by);
        await expect(call("GET", url, { token })).rejects.toMatchObject({ cause: { code: "ECONNREFUSED" } });
        await openstack.startService("barbican");
        await openstack.startService("barbican");
        expect(await openstack.listSecrets("alice")).toMatchObject([{ name: "kept" }]);
      }
      expect(processesWith(stateDirectory)).toHaveLength(2);
      await expect(openstack.stopService("glance")).rejects.toThrow(/not among/);
    }
    expect(processesWith(stateDirectory)).toEqual([]);
    expect(existsSync(stateDirectory)).toBe(false);
  },
);

test("what does not come up in time leaves nothing and shows its log", { timeout: START_MS }, async () => {
  // Of its own, because other runs make and remove theirs meanwhile.
  await using directory = await mkdtempDisposable(join(tmpdir(), "luksmith-late-"));
  vi.stubEnv("TMPDIR", directory.path);
  const started = startOpenStack({ services: ["placement"], timeoutMs: 1 });
  vi.unstubAllEnvs();
  await expect(started).rejects.toThrow(/(keystone|placement) did not start \(not answering in time\)/);
  expect(readdirSync(directory.path)).toEqual([]);
  expect(processesWith(directory.path)).toEqual([]);
});

test("a port that is taken is told from other failures", { timeout: START_MS }, async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "luksmith-port-"));
  await mkdir(join(directory.path, "log"));
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  // A server that listens on a port has such an address.
  const service = new ServiceProcess("placement", (other.address() as AddressInfo).port, directory.path);
  other.on("connection", (socket) => socket.destroy());
  await expect(service.start(AbortSignal.timeout(START_MS))).rejects.toThrow(PortTaken);
  other.close();
});

test("kill -9 of the starter leaves no process and no state", { timeout: START_MS }, async () => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const starter = spawn(process.execPath, [main, "start", "--services", "placement"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stateDirectory = await stateOf(starter);
  expect(processesWith(stateDirectory)).toHaveLength(2);
  starter.kill("SIGKILL");
  while (processesWith(stateDirectory).length > 0 || existsSync(stateDirectory)) await sleep(50);
});

test("Ctrl-C stops all that main.ts has started", { timeout: START_MS }, async () => {
  const main = join(import.meta.dirname, "../src/main.ts");
  const starter = spawn(process.execPath, [main, "start", "--services", "keystone"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(starter, "exit");
  const stateDirectory = await stateOf(starter);
  starter.kill("SIGINT");
  expect(await exited).toEqual([0, null]);
  expect(processesWith(stateDirectory)).toEqual([]);
  expect(existsSync(stateDirectory)).toBe(false);
});

/** Returns when the environment is up. */
function stateOf(starter: ChildProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = "";
  // Listening goes on: a pipe that nobody reads would end the starter.
  starter.stderr!.on("data", (chunk) => {
    said += String(chunk);
    const state = /State: (\S+)\n/.exec(said)?.[1];
    if (state !== undefined) resolve(state);
  });
  starter.once("exit", () => reject(new Error(`it ended early: ${said}`)));
  return promise;
}
