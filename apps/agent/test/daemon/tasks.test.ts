import { readdirSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import { serverEvents } from "../../src/client/server-events.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { gate, openGate } from "./gated-keys.ts";
import { Daemon, daemonHost, type Reply } from "./running-daemon.ts";

const ASYNC = { prefer: "respond-async" };
const GATED = `plugins = @luksmith/backend-raw, ${join(import.meta.dirname, "gated-keys.ts")}`;

let host: TemporaryHost;
let daemon: Daemon;
beforeAll(async () => {
  host = await daemonHost();
  await host.configure(
    GATED,
    `socket = ${host.path}/luksmith.sock`,
    "max_operations = 2",
    "max_queued_operations = 2",
  );
  daemon = await Daemon.start(host);
});
afterEach(() => openGate());
afterAll(async () => {
  openGate();
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

const small = () => host.request({ disk: 0, ephemeral: 0, swap: 0 });

async function begin(request: unknown, headers: Record<string, string> = {}): Promise<Reply<TaskDocument>> {
  return await daemon.call<TaskDocument>("POST", "/v1/instances", {
    body: request,
    headers: { ...ASYNC, ...headers },
  });
}

async function task(id: string): Promise<TaskDocument> {
  return (await daemon.call<TaskDocument>("GET", `/v1/tasks/${id}`)).json;
}

async function until(id: string, ...states: readonly string[]): Promise<TaskDocument> {
  for (;;) {
    const now = await task(id);
    if (states.includes(now.state)) return now;
  }
}

/** All events of a task, to its end. */
async function follow(id: string, onEvent: (event: string, task: TaskDocument) => void = () => {}) {
  const sent = httpRequest({ socketPath: daemon.socket, path: `/v1/tasks/${id}/events`, agent: false });
  const { promise, resolve, reject } = Promise.withResolvers<AsyncIterable<Buffer>>();
  sent.once("response", resolve).once("error", reject).end();
  const seen: { event: string; task: TaskDocument }[] = [];
  for await (const { event, data } of serverEvents(await promise)) {
    const at = JSON.parse(data) as TaskDocument;
    seen.push({ event, task: at });
    onEvent(event, at);
  }
  return seen;
}

describe("tasks", () => {
  test("one that is not waited for answers 202 with its place, and has its result in the end", async () => {
    gate().closed = true;
    const { status, headers, json } = await begin(small());
    expect([status, headers["location"], headers["preference-applied"]]).toEqual([
      202,
      `/v1/tasks/${json.id}`,
      "respond-async",
    ]);
    expect(await until(json.id, "running")).toMatchObject({ kind: "create", result: null, ended_at: null });
    openGate();
    const done = await until(json.id, "done");
    expect({ ...(done.result as object), unfinished: [] }).toEqual(await host.json(["show", done.subject!]));
  });

  test("events tell its states, and the end with the result", async () => {
    gate().closed = true;
    const { json } = await begin(small());
    const events = await follow(json.id, (_, { state }) => {
      if (state === "running") openGate();
    });
    expect(events.at(0)!.event).toBe("state");
    expect(events.at(-1)).toMatchObject({ event: "end", task: { state: "done", result: { disks: [{}] } } });
    expect(events.filter(({ event }) => event === "end")).toHaveLength(1);
    const again = await follow(json.id);
    expect(again).toMatchObject([{ event: "end", task: { state: "done" } }]);
  });

  test("one that is cancelled takes back what it began", async () => {
    gate().closed = true;
    const before = readdirSync(join(host.path, "instances"));
    const { json } = await begin(small());
    await until(json.id, "running");
    const asked = await daemon.call<TaskDocument>("POST", `/v1/tasks/${json.id}/cancel`);
    expect(asked.status).toBe(202);
    const ended = await until(json.id, "cancelled");
    expect(ended.error).toMatchObject({ code: "Cancelled", category: "cancelled" });
    expect((await daemon.call("GET", `/v1/instances/${json.subject}`)).status).toBe(404);
    expect(readdirSync(join(host.path, "instances"))).toEqual(before);
    expect((await daemon.call("POST", `/v1/tasks/${json.id}/cancel`)).json).toMatchObject({
      state: "cancelled",
    });
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ unfinished: 0 });
  });

  test("who waits for a task that another cancels gets 499", async () => {
    gate().closed = true;
    const waiting = daemon.call("POST", "/v1/instances", { body: small() });
    let running: TaskDocument | undefined;
    while (!running) {
      const { tasks } = (await daemon.call<{ tasks: TaskDocument[] }>("GET", "/v1/tasks")).json;
      running = tasks.find(({ state }) => state === "running");
    }
    await daemon.call("POST", `/v1/tasks/${running.id}/cancel`);
    expect(await waiting).toMatchObject({ status: 499, json: { error: { code: "Cancelled" } } });
  });

  test("another operation on the same instance is refused, also while the first one waits", async () => {
    gate().closed = true;
    const request = small();
    const first = await begin(request);
    const second = await begin(request);
    expect(second).toMatchObject({ status: 409, json: { error: { code: "InstanceBusy", retryable: true } } });
    expect(second.headers["retry-after"]).toBe("1");
    openGate();
    await until(first.json.id, "done");
  });

  test("operations on different instances run beside each other, and a full queue refuses at once", async () => {
    gate().closed = true;
    const begun = [await begin(small()), await begin(small()), await begin(small()), await begin(small())];
    expect(begun.map(({ status }) => status)).toEqual([202, 202, 202, 202]);
    await until(begun.at(0)!.json.id, "running");
    await until(begun.at(1)!.json.id, "running");
    expect((await task(begun.at(2)!.json.id)).state).toBe("queued");
    const refused = await begin(small());
    expect(refused).toMatchObject({ status: 503, json: { error: { code: "QueueFull", retryable: true } } });
    expect(refused.headers["retry-after"]).toBe("1");
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ running: 2, queued: 2 });
    await daemon.call("POST", `/v1/tasks/${begun.at(3)!.json.id}/cancel`);
    expect((await task(begun.at(3)!.json.id)).state).toBe("cancelled");
    openGate();
    for (const { json } of begun.slice(0, 3)) await until(json.id, "done");
  });

  test("recovery leaves alone what is running", async () => {
    gate().closed = true;
    gate().at = "create";
    const { json } = await begin(small());
    while (gate().waiting.size === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ unfinished: 1 });
    expect((await daemon.call("POST", "/v1/recover")).json).toEqual({ operations: [] });
    openGate();
    const { result } = await until(json.id, "done");
    expect({ ...(result as object), unfinished: [] }).toEqual(await host.json(["show", json.subject!]));
    expect((await host.run(["verify", json.subject!])).exitCode).toBe(0);
  });

  test("what could not be taken back is, by recovery", async () => {
    const secrets = async (): Promise<number> => {
      const { text } = await daemon.call("GET", "/metrics");
      return Number(/^luksmith_key_manager_calls_total\{call="delete"\} (\d+)$/m.exec(text)?.[1] ?? 0);
    };
    const broken = async (request: ReturnType<TemporaryHost["request"]>): Promise<void> => {
      gate().stuck = true;
      const target = "/nonexistent/copy.img"; // fails once the secret is made
      const path = `/v1/instances/${request.server.id}/disks/disk/snapshot`;
      const reply = await daemon.call("POST", path, { body: { target } });
      expect(reply).toMatchObject({
        status: 503,
        json: { error: { code: "EphemeralEncryptionCleanupFailed" } },
      });
      expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ running: 0, unfinished: 1 });
    };
    const request = small();
    await daemon.call("POST", "/v1/instances", { body: request });
    await broken(request);
    expect((await daemon.call("POST", "/v1/recover")).json).toMatchObject({
      operations: [{ kind: "snapshot", outcome: "failed" }],
    });
    gate().stuck = false;
    const before = await secrets();
    expect((await daemon.call("POST", "/v1/recover")).json).toMatchObject({
      operations: [{ kind: "snapshot", outcome: "undone" }],
    });
    expect(await secrets()).toBe(before + 1);
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({ unfinished: 0 });
  });

  test("the user's token reaches the key manager, and the next caller without one is nobody", async () => {
    const token = "gAAAAAB-a-users-token";
    const request = small();
    expect((await begin(request, { "x-auth-token": token })).status).toBe(202);
    while (gate().lastToken !== token) await new Promise((resolve) => setTimeout(resolve, 5));
    const { status } = await daemon.call("POST", "/v1/instances", { body: small() });
    expect([status, gate().lastToken]).toEqual([201, undefined]);
    const everything =
      daemon.io.err +
      (await daemon.call("GET", "/v1/tasks")).text +
      (await daemon.call("GET", "/metrics")).text;
    expect(everything).not.toContain(token);
    const refused = await begin(small(), { "x-auth-token": "two words" });
    expect([refused.status, refused.text.includes("two words")]).toEqual([400, false]);
  });

  test("one that nobody knows is 404", async () => {
    for (const path of ["", "/events"]) {
      const reply = await daemon.call("GET", `/v1/tasks/none${path}`);
      expect(reply).toMatchObject({ status: 404, json: { error: { code: "TaskNotFound" } } });
    }
    expect((await daemon.call("POST", "/v1/tasks/none/cancel")).status).toBe(404);
  });
});
