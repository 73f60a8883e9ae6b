import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { startCeph } from "../ceph/start-ceph.ts";
import { startDmKernel } from "../dm-kernel/start-dm-kernel.ts";
import { startLibvirt } from "../libvirt/start-libvirt.ts";
import { startOpenStack } from "../openstack/start-openstack.ts";
import type { SharedAnswer, SharedService } from "./ask-for-shared.ts";

/** Something that runs, and what a test in another process needs to know to use it; JSON. */
interface Environment extends AsyncDisposable {
  readonly info: object;
}

/**
 * Vitest's globalSetup: listens on a socket for each kind of environment; the first test that asks there makes it start,
 * and all get the same. If none asks, nothing starts. This process is the services' starter: they end with it.
 *
 * @returns the teardown
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), "luksmith-services-"));
  const starts: Readonly<Record<SharedService, () => Promise<Environment>>> = {
    luksmithServices: startOpenStack,
    luksmithLibvirt: startLibvirt,
    luksmithCeph: startCeph,
    luksmithDmKernel: startDmKernel,
  };
  const teardowns: (() => Promise<void>)[] = [];
  for (const [name, start] of Object.entries(starts)) {
    const path = join(directory, name);
    teardowns.push(await offer(path, start));
    project.provide(name as SharedService, path);
  }
  return async () => {
    await Promise.all(teardowns.map((teardown) => teardown()));
    await rm(directory, { recursive: true, force: true });
  };
}

/** @returns the teardown */
async function offer(path: string, start: () => Promise<Environment>): Promise<() => Promise<void>> {
  let started: Promise<Environment> | undefined;
  const server = createServer((socket) => {
    started ??= start();
    void answer(socket, started);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return async () => {
    server.close();
    // A start that failed has cleaned up after itself, and the tests have reported it.
    const environment = await started?.catch(() => undefined);
    await environment?.[Symbol.asyncDispose]();
  };
}

/** Sends what the asking test needs to know and hangs up. */
async function answer(socket: Socket, started: Promise<Environment>): Promise<void> {
  // The test may be gone before the services are there.
  socket.on("error", () => {});
  const message: SharedAnswer<object> = await started.then(
    ({ info }) => ({ info }),
    (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
  );
  socket.end(JSON.stringify(message));
}
