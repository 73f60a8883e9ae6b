import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { DiskDocument, InstanceDocument } from "../src/output/disk-document.ts";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

const GIB = 1 << 30;
const MIB = 1 << 20;
const HEADER = 2 * MIB;
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

let host: TemporaryHost;
let request: ReturnType<TemporaryHost["request"]>;
let disks: readonly DiskDocument[];

beforeAll(async () => {
  host = await TemporaryHost.create();
  request = host.request();
});
afterAll(() => host[Symbol.asyncDispose]());

function diskNamed(name: string): DiskDocument {
  return disks.find((disk) => disk.name === name)!;
}

describe("the life of an instance", () => {
  test("plan says what create will make, to the byte", async () => {
    const plan = await host.json<Record<string, unknown>>(["plan", "-f", "-"], request);
    const paths = join(host.path, "instances", request.server.id);
    const common = { backend: "raw", format: "raw", encrypted: true, encryption_format: "luks" };
    const uuid = expect.stringMatching(UUID) as string;
    expect(plan).toMatchObject({
      block_device_info: { swap: { swap_size: 16 } },
      disk_info: {
        mapping: { disk: { dev: "vda" }, "disk.eph0": { dev: "vdb" }, "disk.swap": { dev: "vdc" } },
      },
      disks: [
        {
          uuid,
          name: "disk",
          kind: "root",
          path: `${paths}/disk`,
          virtual_size: GIB,
          container_bytes: GIB + HEADER,
          ...common,
        },
        {
          uuid,
          name: "disk.eph0",
          kind: "ephemeral",
          virtual_size: GIB,
          container_bytes: GIB + HEADER,
          ...common,
        },
        {
          uuid,
          name: "disk.swap",
          kind: "swap",
          virtual_size: 16 * MIB,
          container_bytes: 18 * MIB,
          ...common,
        },
      ],
      warnings: [],
    });
    expect((plan["steps"] as { action: string }[]).map(({ action }) => action)).toEqual([
      "open-image",
      "make-secret",
      "make-secret",
      "make-secret",
      "make-disk",
      "prove-disk",
      "make-disk",
      "prove-disk",
      "make-disk",
      "prove-disk",
      "record",
    ]);
  });

  test("create makes the disks and gives each with its secret and XML", async () => {
    const created = await host.json<InstanceDocument & Record<string, unknown>>(
      ["create", "-f", "-"],
      request,
    );
    expect(Object.keys(created)).toEqual([
      "uuid",
      "name",
      "created_at",
      "pending",
      "disks",
      "disk_info",
      "block_device_info",
    ]);
    expect(created).toMatchObject({ uuid: request.server.id, name: "vm", pending: null });
    disks = created.disks;
    expect(disks.map((disk) => [disk.name, disk.virtual_size, statSync(disk.path).size])).toEqual([
      ["disk", GIB, GIB + HEADER],
      ["disk.eph0", GIB, GIB + HEADER],
      ["disk.swap", 16 * MIB, 18 * MIB],
    ]);
    expect(new Set(disks.map((disk) => disk.encryption_secret_uuid)).size).toBe(3);
    expect(Object.keys(diskNamed("disk"))).toEqual([
      "uuid",
      "name",
      "backend",
      "path",
      "format",
      "virtual_size",
      "encrypted",
      "encryption_format",
      "encryption_secret_uuid",
      "xml",
    ]);
    expect(diskNamed("disk").xml).toContain(`uuid='${diskNamed("disk").encryption_secret_uuid}'`);
  });

  test("the same request again is refused as a conflict", async () => {
    const io = new MemoryIo({ stdin: JSON.stringify(request) });
    const { exitCode, err, out } = await host.run(["create", "-f", "-", "--json"], io);
    expect([exitCode, out]).toEqual([73, ""]);
    expect(JSON.parse(err)).toMatchObject({ error: { code: "InstanceExists", category: "conflict" } });
    const plan = await host.json<{ warnings: readonly string[] }>(["plan", "-f", "-"], request);
    expect(plan.warnings[0]).toContain("has disks on this host already");
  });

  test("list and show give the disks in the shape of create", async () => {
    const list = await host.json<{ instances: readonly InstanceDocument[]; snapshots: unknown[] }>(["list"]);
    expect(list.instances.map(({ uuid }) => uuid)).toEqual([request.server.id]);
    expect(list.instances[0]?.disks).toEqual(disks);
    expect(list.snapshots).toEqual([]);
    const shown = await host.json<InstanceDocument>(["show", request.server.id.toUpperCase()]);
    expect(shown.disks).toEqual(disks);
    const { out } = await host.run(["show", request.server.id]);
    for (const disk of disks) expect(out).toContain(disk.xml);
  });

  test("secret reveal prints the very bytes that cryptsetup opens the disk with", async () => {
    const { path, encryption_secret_uuid } = diskNamed("disk");
    const { out, err, exitCode } = await host.run(["secret", "reveal", encryption_secret_uuid!]);
    expect([exitCode, err, out.length]).toEqual([0, "", 88]);
    const args = ["open", "--test-passphrase", "--type", "luks1", "--key-file=-", path];
    expect(() => execFileSync("cryptsetup", args, { input: out, stdio: "pipe" })).not.toThrow();
    expect(() => execFileSync("cryptsetup", args, { input: `${out}\n`, stdio: "pipe" })).toThrow(
      "Command failed",
    );
    const document = await host.json(["secret", "reveal", encryption_secret_uuid!]);
    expect(document).toEqual({ passphrase: out });
  });

  test("verify passes, and exits with 65 once a disk is damaged", async () => {
    const { path } = diskNamed("disk.swap");
    expect((await host.run(["verify", request.server.id])).exitCode).toBe(0);
    const bytes = readFileSync(path);
    writeFileSync(path, Buffer.concat([Buffer.alloc(512), bytes.subarray(512)]));
    const { exitCode, out } = await host.run(["verify", "--json"]);
    expect(exitCode).toBe(65);
    expect(JSON.parse(out)).toMatchObject({
      ok: false,
      instances: [{ disks: [{ ok: true }, {}, { ok: false }] }],
    });
    expect((await host.run(["verify"])).out).toContain("disk.swap FAILED");
    writeFileSync(path, bytes);
  });

  test("resize grows a disk to the byte", async () => {
    const { path } = diskNamed("disk.swap");
    const resized = await host.json<DiskDocument>(["resize", request.server.id, "disk.swap", "32MiB"]);
    expect(resized).toMatchObject({ instance: request.server.id, name: "disk.swap", virtual_size: 32 * MIB });
    expect(statSync(path).size).toBe(34 * MIB);
    const { exitCode, err } = await host.run(["resize", request.server.id, "disk.swap", "16M"]);
    expect([exitCode, err]).toEqual([69, expect.stringContaining("luksmith: CannotShrink: ")]);
    expect((await host.run(["resize", request.server.id, "disk.nope", "16M"])).exitCode).toBe(66);
  });

  test("snapshot copies a disk to a file beside the caller, delete removes both", async () => {
    const argv = ["snapshot", request.server.id, "disk.swap", "copy.img"];
    const made = await host.json<{ uuid: string; path: string; encryption_secret_uuid: string }>(argv);
    const path = join(host.path, "copy.img");
    expect(made).toMatchObject({
      path,
      format: "raw",
      instance: request.server.id,
      name: "disk.swap",
      encrypted: true,
    });
    expect(disks.map((disk) => disk.encryption_secret_uuid)).not.toContain(made.encryption_secret_uuid);
    expect((await host.run(argv)).exitCode).toBe(73);
    expect(await host.json(["delete", made.uuid])).toEqual({ uuid: made.uuid, kind: "snapshot" });
    expect(existsSync(path)).toBe(false);
  });

  test("delete removes disks and secrets; what is gone is not found", async () => {
    expect((await host.run(["delete", request.server.id])).exitCode).toBe(0);
    for (const disk of disks) {
      expect(existsSync(disk.path)).toBe(false);
      expect((await host.run(["secret", "reveal", disk.encryption_secret_uuid!])).exitCode).toBe(66);
    }
    for (const command of ["show", "verify", "delete"]) {
      const { exitCode, out, err } = await host.run([command, request.server.id]);
      expect([exitCode, out, err]).toEqual([66, "", expect.stringContaining("luksmith: InstanceNotFound: ")]);
    }
    expect(await host.json(["list"])).toEqual({ instances: [], snapshots: [], unfinished: [] });
  });
});
