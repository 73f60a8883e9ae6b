import { appendFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InstanceDocument } from "../src/output/disk-document.ts";
import { TemporaryHost } from "./temporary-host.ts";

interface Line {
  readonly seq: number;
  readonly event: string;
  readonly outcome: string;
  readonly origin?: { readonly via: string; readonly who: string; readonly purpose: string };
  readonly operation?: { readonly kind: string };
  readonly disk?: { readonly uuid: string; readonly name: string };
  readonly secret?: string;
  readonly hash: string;
}
interface Exported {
  readonly head: { readonly seq: number; readonly hash: string };
  readonly lines: readonly Line[];
}

let host: TemporaryHost;
let made: InstanceDocument;

beforeAll(async () => {
  host = await TemporaryHost.create();
  made = await host.json<InstanceDocument>(["create", "-f", "-"], host.request({ disk: 0, ephemeral: 0 }));
});
afterAll(() => host[Symbol.asyncDispose]());

const exported = (...more: readonly string[]): Promise<Exported> => host.json(["audit", "export", ...more]);
const eventsOf = ({ lines }: Exported): readonly string[] => lines.map(({ event }) => event);

describe("the audit log has", () => {
  test("a create: its operation, its keys, its disks, and who", async () => {
    const all = await exported();
    expect(eventsOf(all)).toEqual([
      "audit.began",
      "operation.begun",
      "key.created",
      "key.created",
      "key.read",
      "key.read",
      "disk.created",
      "disk.created",
      "operation.done",
    ]);
    const [root] = made.disks;
    expect(all.lines.find(({ event }) => event === "disk.created")).toMatchObject({
      outcome: "ok",
      origin: {
        via: "command",
        who: expect.stringMatching(/\(uid \d+\)$/),
        purpose: expect.stringContaining("create"),
      },
      operation: { kind: "create", subject: made.uuid },
      disk: { uuid: root?.uuid, name: "disk", backend: "raw" },
      secret: root?.encryption_secret_uuid,
      details: { encryption: "luks" },
    });
    expect(await host.json(["audit", "verify"])).toMatchObject({ ok: true, findings: [], last: all.head });
  });

  test("what only looks, what is revealed, and what is refused", async () => {
    const { seq } = (await exported()).head;
    await host.json(["verify", made.uuid]);
    const secret = made.disks.at(0)!.encryption_secret_uuid!;
    const { out } = await host.run(["secret", "reveal", secret]);
    expect(out).toHaveLength(88);
    await host.run(["secret", "reveal", made.uuid]);
    const since = (await exported()).lines.filter((line) => line.seq > seq);
    expect(since.map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
      "key.read ok",
      "key.read ok",
      "key.read ok",
      "key.read EphemeralEncryptionSecretNotFound",
    ]);
    expect(since[2]).toMatchObject({ secret, origin: { purpose: expect.stringContaining("secret reveal") } });
    expect(since.at(2)!.disk).toMatchObject({ name: "disk" });
    expect(JSON.stringify(await exported())).not.toContain(out);
  });

  test("a rekey, a resize, a snapshot and their ends", async () => {
    const { seq } = (await exported()).head;
    await host.json(["rekey", made.uuid, "disk.swap"]);
    await host.json(["resize", made.uuid, "disk", "4M"]);
    const { uuid } = await host.json<{ uuid: string }>([
      "snapshot",
      made.uuid,
      "disk",
      join(host.path, "copy.raw"),
    ]);
    await host.json(["delete", uuid]);
    await host.json(["delete", made.uuid]);
    const { lines } = await exported();
    const about = lines.filter((line) => line.seq > seq && /^(disk|copy)\./.test(line.event));
    expect(about.map(({ event, disk }) => `${event} ${disk?.name}`)).toEqual([
      "disk.rekeyed disk.swap",
      "disk.resized disk",
      "disk.copied disk",
      "copy.deleted disk",
      "disk.erased disk",
      "disk.deleted disk",
      "disk.erased disk.swap",
      "disk.deleted disk.swap",
    ]);
    expect(lines.at(-1)?.event).toBe("operation.done");
  });
});

test("tail is for people, export for machines, both by what they are about", async () => {
  const { out } = await host.run(["audit", "tail", "-n", "3"]);
  expect(out.split("\n")).toHaveLength(5);
  expect(out).toContain("operation.done");
  const swap = made.disks.find(({ name }) => name === "disk.swap")!;
  const about = await exported("--about", swap.uuid.toUpperCase());
  expect(about.lines.length).toBeGreaterThan(2);
  expect(about.lines.every((line) => JSON.stringify(line).includes(swap.uuid))).toBe(true);
  const raw = await host.run(["audit", "export"]);
  const [name = ""] = readdirSync(join(host.path, "state", "audit"));
  expect(raw.out).toBe(readFileSync(join(host.path, "state", "audit", name), "utf8"));
  expect((await host.run(["audit", "export", "--until", "2000-01-01"])).out).toBe("");
  expect((await host.run(["audit", "export", "--since", "soon"])).exitCode).toBe(64);
});

test("verify exits with 65 and says where, also for a point that was noted", async () => {
  const { head } = await exported();
  const point = `${head.seq}:${head.hash}`;
  expect((await host.run(["audit", "verify", "--expect", point])).exitCode).toBe(0);
  const other = `${head.seq}:${"0".repeat(64)}`;
  expect(await host.run(["audit", "verify", "--expect", other])).toMatchObject({
    exitCode: 65,
    out: expect.stringContaining("NOT WHOLE"),
  });
  const [name = ""] = readdirSync(join(host.path, "state", "audit"));
  const path = join(host.path, "state", "audit", name);
  const before = readFileSync(path, "utf8");
  writeFileSync(path, before.replace("disk.deleted", "disk.created"));
  const { exitCode, out } = await host.run(["audit", "verify"]);
  expect([exitCode, out]).toEqual([
    65,
    expect.stringMatching(/error: .*:\d+: line \d+: the line was changed/),
  ]);
  writeFileSync(path, before);
  appendFileSync(path, "x");
  expect((await host.run(["audit", "verify"])).exitCode).toBe(65);
  writeFileSync(path, before);
  expect((await host.run(["audit", "verify"])).exitCode).toBe(0);
});
