import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInstance, deleteById, findInstance, resizeDisk, snapshotDisk } from "@luksmith/core/host";
import { afterEach, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { fakeTool } from "./fake-tool.ts";
import { addBystanders, expectConsistent } from "./host-state.ts";
import { tempHost } from "./temp-host.ts";
import { treeOf } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

describe("an operation that is cancelled", () => {
  test.each([
    ["in the middle of the fill", "write disk"],
    ["in the middle of the second disk", "write disk.eph0"],
  ])("%s leaves nothing", async (_, step) => {
    const temp = tempHost();
    const image = temp.addImage(24 * MIB);
    const others = await addBystanders(temp, temp.addImage(MIB));
    const stop = new AbortController();
    const ctx = testContext({
      signal: stop.signal,
      progress: (progress) => {
        if (progress.step === step) stop.abort(new Error("enough"));
      },
    });
    await using host = await temp.write();
    const request = await temp.request(image, { ephemeral: 1, swap: 4 });
    const error = await expectRefusal(() => createInstance(host, request, ctx), "Cancelled", "cancelled");
    expect(error.retryable).toBe(false);
    await expectConsistent(temp, host, others);
    // The host goes on.
    await createInstance(host, request, testContext());
    await expectConsistent(temp, host, others);
  });

  test("while a tool runs leaves nothing, and no process", async () => {
    const temp = tempHost();
    const others = await addBystanders(temp, temp.addImage(MIB));
    const mark = join(temp.root, "pid");
    const stop = new AbortController();
    const tool = fakeTool("mke2fs", `sleep 3600 & echo $! > ${mark}.new; mv ${mark}.new ${mark}; wait`);
    await using host = await temp.write();
    const request = await temp.request(temp.addImage(MIB), { ephemeral: 1 });
    const create = withPath(tool, () => createInstance(host, request, testContext({ signal: stop.signal })));
    const pid = await contentOf(mark);
    stop.abort(new Error("enough"));
    await expectRefusal(() => create, "Cancelled", "cancelled");
    expect(await ended(pid)).toBe(true);
    await expectConsistent(temp, host, others);
  });

  test("in the middle of a snapshot leaves nothing", async () => {
    const temp = tempHost();
    const others = await addBystanders(temp, temp.addImage(MIB));
    await using host = await temp.write();
    const instance = await createInstance(host, await temp.request(temp.addImage(24 * MIB)), testContext());
    for (const [format, plain] of [
      ["raw", true],
      ["qcow2", true],
      ["qcow2", false],
    ] as const) {
      const stop = new AbortController();
      const ctx = testContext({ signal: stop.signal, progress: () => stop.abort(new Error("enough")) });
      const request = { disk: "disk", target: join(others.snapshots, "copy"), format, plain };
      const copy = snapshotDisk(host, instance, request, ctx);
      await expect(copy).rejects.toMatchObject({ code: "Cancelled", category: "cancelled" });
      await expectConsistent(temp, host, others);
    }
  });
});

describe("a tool that hangs", () => {
  test("is killed with all its children at the time-out, and nothing is left", async () => {
    const temp = tempHost({ luksmith: ["command_timeout = 1"] });
    const others = await addBystanders(temp, temp.addImage(MIB));
    const mark = join(temp.root, "pid");
    const tool = fakeTool("qemu-img", `trap '' TERM; sleep 3600 & echo $! > ${mark}; wait; sleep 3600`);
    await using host = await temp.write();
    const request = await temp.request(temp.addImage(MIB), { ephemeral: 1 });
    const create = () => withPath(tool, () => createInstance(host, request, testContext()));
    const error = await expectRefusal(create, "CommandTimedOut", "timeout");
    expect(error.message).toContain("qemu-img");
    expect(error.retryable).toBe(true);
    expect(await ended(Number(readFileSync(mark, "utf8")))).toBe(true);
    await expectConsistent(temp, host, others);
  });

  test("one that is missing is refused, naming its package", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const others = await addBystanders(temp, image);
    const request = temp.json(image, { ephemeral: 1, guestFormat: "vfat" });
    const tool = fakeTool("mkfs.vfat", "exit 127");
    const action = { kind: "create", request } as const;
    const outcome = await runChild({ configFile: temp.configFile, action }, { env: { PATH: tool } });
    expect(outcome?.error?.category).toBe("command");
    await using host = await temp.write();
    await expectConsistent(temp, host, others);
  });
});

const opened: ChildProcess[] = [];
afterEach(() => opened.splice(0).forEach((child) => child.kill("SIGKILL")));

/** A process that has the disk open as a guest has: QEMU takes its locks. */
async function openInQemu(path: string): Promise<ChildProcess> {
  const child = spawn("qemu-io", ["-f", "raw", path], { stdio: ["pipe", "pipe", "inherit"] });
  opened.push(child);
  child.stdin.write("length\n");
  await once(child.stdout, "data");
  return child;
}

describe("a disk that a guest is using", () => {
  test("is neither resized, copied nor deleted, until the guest stops", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    await using host = await temp.write();
    const { uuid, disks } = await createInstance(host, await temp.request(image, { swap: 4 }), testContext());
    const instance = () => findInstance(host, uuid);
    const ctx = testContext();
    const guest = await openInQemu(disks[1]?.path ?? "");
    const before = treeOf(temp.instancesPath);
    const request = {
      disk: "disk.swap",
      target: join(temp.root, "copy"),
      format: "raw",
      plain: false,
    } as const;
    const acts = [
      async () => resizeDisk(host, await instance(), "disk.swap", BigInt(8 * MIB), ctx),
      async () => snapshotDisk(host, await instance(), request, ctx),
      () => deleteById(host, uuid, { forgetMissing: false }, ctx),
    ];
    for (const act of acts) {
      const error = await expectRefusal(act, "DiskInUse", "conflict");
      expect(error.message).toMatch(/in use by .*; stop the guest/);
      expect(treeOf(temp.instancesPath)).toEqual(before);
    }
    guest.kill("SIGTERM");
    await once(guest, "exit");
    for (const act of acts) await act();
    expect(host.inventory.instances()).toEqual([]);
  });
});

/** Runs `act` with another PATH in this process, whose commands inherit it. */
async function withPath<T>(path: string, act: () => Promise<T>): Promise<T> {
  const before = process.env["PATH"];
  process.env["PATH"] = path;
  try {
    return await act();
  } finally {
    process.env["PATH"] = before;
  }
}

async function contentOf(path: string): Promise<number> {
  for (;;) {
    try {
      return Number(readFileSync(path, "utf8"));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Waits until the tool's own child is gone: the test runs out of time otherwise. */
async function ended(pid: number): Promise<boolean> {
  while (isRunning(pid)) await new Promise((resolve) => setTimeout(resolve, 10));
  return true;
}

/** A zombie does not run any more. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
