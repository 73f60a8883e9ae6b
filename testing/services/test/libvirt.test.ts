import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { type LibvirtEnv, type OwnLibvirt, sharedLibvirt, startLibvirt } from "../src/index.ts";

const run = promisify(execFile);

async function virsh(env: LibvirtEnv, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run("virsh", ["-q", "-c", env.uri, ...args], { timeout: 60_000 });
  return stdout.trim();
}

/** A guest whose processors never run: it needs no disk. */
async function createGuest(env: OwnLibvirt, name: string): Promise<void> {
  const file = join(env.stateDirectory, `${name}.xml`);
  const os = "<os><type arch='x86_64' machine='pc'>hvm</type></os>";
  await writeFile(
    file,
    `<domain type='qemu'><name>${name}</name><memory unit='MiB'>32</memory>${os}</domain>`,
  );
  await virsh(env, "create", "--paused", file);
}

const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

test("several run side by side; each knows its own guests only", async () => {
  await using one = await startLibvirt();
  await using other = await startLibvirt();
  await createGuest(one, "same-name");
  await createGuest(other, "same-name");
  await createGuest(one, "only-here");
  expect(await virsh(other, "list", "--name")).toBe("same-name");
  const [here, there] = [await one.qemuPid("same-name"), await other.qemuPid("same-name")];
  expect(here).not.toBe(there);
  expect(await other.qemuPid("only-here")).toBeUndefined();
  expect(await one.qemuCommandLine("only-here")).toContain("-S");
}, 180_000);

test.each(["stop", "kill9"] as const)(
  "guests outlive a daemon's %s, and are found again",
  async (how) => {
    await using env = await startLibvirt();
    await createGuest(env, "survivor");
    const pid = (await env.qemuPid("survivor"))!;
    await env[how]();
    await expect(virsh(env, "list")).rejects.toThrow();
    expect(isAlive(pid)).toBe(true);
    await env.start();
    expect(await virsh(env, "list", "--name")).toBe("survivor");
    // It waits for the daemon to be done with looking after the guest: destroyed before that, it would be gone at once.
    await virsh(env, "qemu-monitor-command", "survivor", "--hmp", "info status");
    await virsh(env, "destroy", "survivor");
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
  },
  180_000,
);

test("nothing is left when it is disposed of; again, that does nothing", async () => {
  const env = await startLibvirt();
  await createGuest(env, "gone");
  const pid = (await env.qemuPid("gone"))!;
  await env[Symbol.asyncDispose]();
  await env[Symbol.asyncDispose]();
  expect(isAlive(pid)).toBe(false);
  expect(existsSync(env.stateDirectory)).toBe(false);
}, 180_000);

test("nothing is left when the process that started it is killed", async () => {
  const program = join(import.meta.dirname, "start-and-wait.ts");
  const child = spawn(process.execPath, ["--conditions=luksmith-source", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const { stateDirectory, qemu } = JSON.parse(line) as { stateDirectory: string; qemu: number };
  expect(isAlive(qemu)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  await expect.poll(() => isAlive(qemu), { timeout: 20_000 }).toBe(false);
  await expect.poll(() => existsSync(stateDirectory), { timeout: 20_000 }).toBe(false);
}, 180_000);

test("the machine's own libvirt is not touched", async () => {
  const env = await sharedLibvirt();
  expect(env.uri).toContain(env.stateDirectory);
  const mounts = await run("cat", ["/proc/self/mountinfo"]);
  expect(mounts.stdout).not.toContain("/libvirt");
}, 180_000);
