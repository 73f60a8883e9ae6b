import { randomUUID } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { WholeInstanceDocument } from "../../src/actions/create.ts";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { Daemon, daemonHost, DaemonProcess } from "./running-daemon.ts";

let host: TemporaryHost;
beforeEach(async () => void (host = await daemonHost()));
afterEach(() => host[Symbol.asyncDispose]());

const small = () => host.request({ disk: 0, ephemeral: 0, swap: 0 });

describe("an idempotency key", () => {
  test("gets the same answer again, also while the work goes on, after other work, and after a restart", async () => {
    const body = small();
    const headers = { "idempotency-key": randomUUID() };
    const path = `/v1/instances/${body.server.id}`;
    let made: WholeInstanceDocument;
    {
      await using daemon = await Daemon.start(host);
      const both = await Promise.all([
        daemon.call<WholeInstanceDocument>("POST", "/v1/instances", { body, headers }),
        daemon.call<WholeInstanceDocument>("POST", "/v1/instances", { body, headers }),
      ]);
      expect(both.map(({ status }) => status)).toEqual([201, 201]);
      expect(both[0].json).toEqual(both[1].json);
      expect(
        both.map((reply) => reply.headers["idempotency-replayed"] ?? "").sort((a, b) => a.length - b.length),
      ).toEqual(["", "true"]);
      made = both[0].json;
      const reordered = { image: body.image, server: body.server };
      const again = await daemon.call("POST", "/v1/instances", { body: reordered, headers });
      expect([again.status, again.json]).toEqual([201, made]);
      const { tasks } = (await daemon.call<{ tasks: TaskDocument[] }>("GET", "/v1/tasks")).json;
      expect(tasks.filter(({ kind }) => kind === "create")).toHaveLength(1);
      const other = await daemon.call("POST", "/v1/instances", { body: small(), headers });
      expect(other).toMatchObject({ status: 422, json: { error: { code: "IdempotencyKeyReused" } } });
      expect((await daemon.call("DELETE", path, { headers })).status).toBe(422);
    }
    await using restarted = await Daemon.start(host);
    const again = await restarted.call("POST", "/v1/instances", { body, headers });
    expect([again.status, again.json, again.headers["idempotency-replayed"]]).toEqual([201, made, "true"]);
  });

  test("of work that failed is free again", async () => {
    await using daemon = await Daemon.start(host);
    const headers = { "idempotency-key": "a-key" };
    const body = { ...small(), image: { ...small().image, id: randomUUID() } };
    body.server = { ...body.server, image: { id: body.image.id } };
    for (const _ of [1, 2]) {
      const failed = await daemon.call("POST", "/v1/instances", { body, headers });
      expect(failed).toMatchObject({ status: 404, json: { error: { code: "ImageNotFound" } } });
      expect(failed.headers["idempotency-replayed"]).toBeUndefined();
    }
    expect((await daemon.call("POST", "/v1/instances", { body: small(), headers })).status).toBe(201);
  });

  test.each(["", "with space", "x".repeat(256)])("%j is none", async (key) => {
    await using daemon = await Daemon.start(host);
    const reply = await daemon.call("POST", "/v1/recover", { headers: { "idempotency-key": key } });
    expect(reply).toMatchObject({ status: 400, json: { error: { code: "InvalidRequest" } } });
  });
});

describe("after kill -9", () => {
  /** Sends it, and waits for the daemon's end. */
  async function killed(daemon: DaemonProcess, method: string, path: string, sent: object): Promise<void> {
    await expect(daemon.call(method, path, sent)).rejects.toThrow(/ECONNRESET|hang up/);
    await daemon.stop("SIGKILL");
  }

  test("in the middle of a create nothing is left, and the same key makes it anew", async () => {
    const body = small();
    const headers = { "idempotency-key": "one" };
    {
      await using daemon = await DaemonProcess.start(host, "image");
      await killed(daemon, "POST", "/v1/instances", { body, headers });
      expect(existsSync(join(host.path, "luksmith.sock"))).toBe(true);
    }
    await using daemon = await Daemon.start(host);
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    expect((await daemon.call("GET", "/v1/instances")).json).toEqual({
      instances: [],
      snapshots: [],
      unfinished: [],
    });
    const anew = await daemon.call("POST", "/v1/instances", { body, headers });
    expect([anew.status, anew.headers["idempotency-replayed"]]).toEqual([201, undefined]);
  });

  test("right after the work was done, the same key gets its answer", async () => {
    const body = small();
    const headers = { "idempotency-key": "two" };
    {
      await using daemon = await DaemonProcess.start(host, "done");
      await killed(daemon, "POST", "/v1/instances", { body, headers });
    }
    await using daemon = await Daemon.start(host);
    const again = await daemon.call("POST", "/v1/instances", { body, headers });
    expect([again.status, again.headers["idempotency-replayed"]]).toEqual([201, "true"]);
    expect({ ...(again.json as object), unfinished: [] }).toEqual(await host.json(["show", body.server.id]));
  });

  test("in the middle of a delete it is finished, and the same key says so", async () => {
    const body = small();
    const headers = { "idempotency-key": "three" };
    const path = `/v1/instances/${body.server.id}`;
    await host.json(["create", "-f", "-"], body);
    {
      await using daemon = await DaemonProcess.start(host, "begin");
      await killed(daemon, "DELETE", path, { headers });
    }
    await using daemon = await Daemon.start(host);
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    const again = await daemon.call("DELETE", path, { headers });
    expect([again.status, again.json]).toEqual([200, { uuid: body.server.id, kind: "instance" }]);
    expect((await daemon.call("DELETE", path)).status).toBe(404);
  });
});
