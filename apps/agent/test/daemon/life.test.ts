import { existsSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WholeInstanceDocument } from "../../src/actions/create.ts";
import type { TaskDocument } from "../../src/daemon/schemas/index.ts";
import type { TemporaryHost } from "../temporary-host.ts";
import { Daemon, daemonHost } from "./running-daemon.ts";

const MIB = 1 << 20;

let host: TemporaryHost;
let daemon: Daemon;
let request: ReturnType<TemporaryHost["request"]>;
let path: string;
beforeAll(async () => {
  host = await daemonHost();
  daemon = await Daemon.start(host);
  request = host.request();
  path = `/v1/instances/${request.server.id}`;
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

describe("the life of an instance over the socket", () => {
  test("the socket is its owner's alone", () => {
    expect(statSync(daemon.socket).mode & 0o777).toBe(0o600);
  });

  test("plan", async () => {
    const { status, json } = await daemon.call<{ warnings: unknown[] }>("POST", "/v1/plan", {
      body: request,
    });
    expect([status, json.warnings]).toEqual([200, []]);
  });

  test("create answers 201 with the document of the command line", async () => {
    const { status, json, headers } = await daemon.call<WholeInstanceDocument>("POST", "/v1/instances", {
      body: request,
    });
    expect(status).toBe(201);
    expect(headers["x-openstack-request-id"]).toMatch(/^req-[0-9a-f-]{36}$/);
    const shown = await host.json<object>(["show", request.server.id]);
    expect({ ...json, unfinished: [] }).toEqual(shown);
    expect([...Object.keys(json), "unfinished"]).toEqual(Object.keys(shown));
    expect(json.disks.every((disk) => existsSync(disk.path))).toBe(true);
  });

  test("show and list are those of the command line", async () => {
    expect(
      (await daemon.call("GET", path.toUpperCase().replace("/V1/INSTANCES", "/v1/instances"))).json,
    ).toEqual(await host.json(["show", request.server.id]));
    expect((await daemon.call("GET", "/v1/instances")).json).toEqual(await host.json(["list"]));
  });

  test("the same again is 409, with the error of the command line", async () => {
    const { status, json } = await daemon.call("POST", "/v1/instances", { body: request });
    expect(status).toBe(409);
    expect(json).toMatchObject({ error: { code: "InstanceExists", category: "conflict", retryable: false } });
  });

  test("verify, resize, rekey, snapshot", async () => {
    expect(await daemon.call("POST", `${path}/verify`)).toMatchObject({ status: 200, json: { ok: true } });
    const resized = await daemon.call("POST", `${path}/disks/disk.swap/resize`, { body: { size: 32 * MIB } });
    expect(resized).toMatchObject({
      status: 200,
      json: { instance: request.server.id, virtual_size: 32 * MIB },
    });
    const rekeyed = await daemon.call<{ disks: unknown[] }>("POST", `${path}/rekey`);
    expect([rekeyed.status, rekeyed.json.disks.length]).toEqual([200, 3]);
    const one = await daemon.call<{ disks: unknown[] }>("POST", `${path}/disks/disk/rekey`);
    expect([one.status, one.json.disks.length]).toEqual([200, 1]);
    const target = join(host.path, "copy.img");
    const copied = await daemon.call<{ uuid: string }>("POST", `${path}/disks/disk.swap/snapshot`, {
      body: { target },
    });
    expect(copied).toMatchObject({ status: 201, json: { path: target, format: "raw", encrypted: true } });
    expect((await daemon.call("POST", "/v1/verify")).json).toMatchObject({ ok: true });
    const gone = await daemon.call("DELETE", `/v1/instances/${copied.json.uuid}`);
    expect(gone).toMatchObject({ status: 200, json: { kind: "snapshot" } });
    expect(existsSync(target)).toBe(false);
  });

  test("what the backend cannot do is 422, what is not there 404, what shrinks refused", async () => {
    const flatten = await daemon.call("POST", `${path}/disks/disk/flatten`);
    expect(flatten).toMatchObject({ status: 422, json: { error: { code: "UnsupportedOperation" } } });
    expect((await daemon.call("POST", `${path}/disks/disk.nope/rekey`)).status).toBe(404);
    const smaller = await daemon.call("POST", `${path}/disks/disk.swap/resize`, { body: { size: MIB } });
    expect(smaller).toMatchObject({ status: 422, json: { error: { code: "CannotShrink" } } });
  });

  test("a passphrase comes as bytes, is not to be stored, and is in the audit trail", async () => {
    const { json } = await daemon.call<WholeInstanceDocument>("GET", path);
    const id = json.disks.at(0)!.encryption_secret_uuid!;
    const { status, text, headers } = await daemon.call("POST", `/v1/secrets/${id}/reveal`);
    expect([status, text.length, headers["cache-control"]]).toEqual([200, 88, "no-store"]);
    expect(headers["content-type"]).toBe("application/octet-stream");
    expect((await daemon.call("POST", `/v1/secrets/${request.server.id}/reveal`)).status).toBe(404);
  });

  test("cache, traits, recover, tasks and the host", async () => {
    expect((await daemon.call("GET", "/v1/cache")).json).toEqual(await host.json(["cache", "list"]));
    expect((await daemon.call("POST", "/v1/cache/prune", { body: { dry_run: true } })).json).toEqual(
      await host.json(["cache", "prune", "--dry-run"]),
    );
    expect((await daemon.call("GET", "/v1/traits")).json).toEqual(await host.json(["traits", "show"]));
    expect((await daemon.call("POST", "/v1/traits/sync")).status).toBe(422);
    expect((await daemon.call("POST", "/v1/recover")).json).toEqual({ operations: [] });
    expect((await daemon.call("GET", "/v1/host")).json).toMatchObject({
      backends: ["raw"],
      asks_for_user: false,
    });
    const { tasks } = (await daemon.call<{ tasks: TaskDocument[] }>("GET", "/v1/tasks")).json;
    expect(tasks.map(({ kind }) => kind)).toContain("create");
    expect(tasks.every(({ ended_at, result }) => ended_at !== null && result === null)).toBe(true);
    expect((await daemon.call("GET", "/healthz")).json).toEqual({ status: "ok" });
    expect((await daemon.call("GET", "/readyz")).json).toMatchObject({
      ready: true,
      reasons: [],
      unfinished: 0,
    });
  });

  test("metrics count it", async () => {
    const { text, headers } = await daemon.call("GET", "/metrics");
    expect(headers["content-type"]).toContain("text/plain");
    expect(text).toMatch(
      /^luksmith_operation_duration_seconds_count\{operation="create",outcome="done"\} 1$/m,
    );
    expect(text).toMatch(
      /^luksmith_operation_duration_seconds_count\{operation="create",outcome="failed"\} 1$/m,
    );
    expect(text).toMatch(/^luksmith_disks\{backend="raw",encrypted="true"\} 3$/m);
    expect(text).toMatch(
      /^luksmith_key_manager_errors_total\{call="get",code="EphemeralEncryptionSecretNotFound"\} 1$/m,
    );
    expect(Number(/^luksmith_unlocks_total (\d+)$/m.exec(text)?.[1])).toBeGreaterThan(3);
    expect(text).toMatch(/^nodejs_eventloop_lag_seconds /m);
    expect(text).toMatch(/^luksmith_operations_queued 0$/m);
  });

  test("delete leaves nothing", async () => {
    expect((await daemon.call("DELETE", path)).json).toEqual({ uuid: request.server.id, kind: "instance" });
    expect(readdirSync(join(host.path, "instances"))).toEqual([]);
    expect((await daemon.call("GET", path)).status).toBe(404);
    expect((await daemon.call("DELETE", path)).status).toBe(404);
  });
});
