import { randomUUID } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { call, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { MemoryIo } from "./memory-io.ts";
import { TemporaryHost } from "./temporary-host.ts";

const OURS = ["COMPUTE_EPHEMERAL_ENCRYPTION", "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS"];

interface Report {
  readonly traits: readonly string[];
  readonly absent: readonly { readonly source: string; readonly reason: string }[];
  readonly created?: readonly string[];
  readonly reporters: readonly {
    readonly provider: { readonly id: string; readonly name: string } | null;
    readonly traits: readonly string[] | null;
    readonly missing?: readonly string[] | null;
    readonly extra?: readonly string[] | null;
    readonly added?: readonly string[] | null;
    readonly removed?: readonly string[] | null;
    readonly error: { readonly code: string } | null;
  }[];
}

/** A plugin of another publisher, whose disks cannot be encrypted. */
const NO_LUKS = `export default {
  $type: "luksmith.plugin", name: "noluks", apiVersion: 1,
  config: { "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) } },
  register: (registrar) => registrar.contribute({ id: "luksmith.image-backends", many: true }, () => ({
    name: "noluks",
    capabilities: { formats: ["raw"], encryption: [], resize: false, snapshot: [], overlays: false },
    image: () => { throw new Error("not asked for"); },
  })),
};`;

let os: OpenStack;
beforeAll(async () => void (os = await sharedOpenStack()), 120_000);

/** A host that reports to a resource provider of its name. */
async function reportingHost() {
  const host = await TemporaryHost.create();
  const name = `host-${randomUUID()}`;
  const { name: user, password, project } = os.user("hostadmin");
  const noLuks = join(host.path, "noluks.mjs");
  await writeFile(noLuks, NO_LUKS);
  const lines = (more: readonly string[]) => [
    `plugins = @luksmith/backend-raw, @luksmith/keymgr-local, @luksmith/traits-placement, ${noLuks}`,
    "[DEFAULT]",
    `host = ${name}`,
    "[placement]",
    `auth_url = ${os.urls.keystone}`,
    "auth_type = password",
    `username = ${user}`,
    `password = ${password}`,
    `project_name = ${project}`,
    "user_domain_name = Default",
    "project_domain_name = Default",
    "region_name = RegionOne",
    ...more,
  ];
  await host.configure(...lines([]));
  return { host, name, configure: (...more: readonly string[]) => host.configure(...lines(more)) };
}

async function withProvider() {
  const reporting = await reportingHost();
  return { ...reporting, id: await os.createResourceProvider(reporting.name) };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(50);
}

const sortedTraits = async (id: string) => [...(await os.traitsOf(id))].sort();

describe("luksmith traits", () => {
  test("shows what is missing, reports it, and then all is as it should be", async () => {
    const { host, name, id } = await withProvider();
    await using _host = host;
    const before = await host.json<Report>(["traits", "show"]);
    expect(before).toMatchObject({
      traits: OURS,
      absent: [],
      reporters: [{ provider: { id, name }, traits: [], missing: OURS, extra: [], error: null }],
    });
    expect(await os.traitsOf(id)).toEqual([]);

    const synced = await host.json<Report>(["traits", "sync"]);
    expect(synced.reporters).toMatchObject([{ added: OURS, removed: [], error: null }]);
    expect(await sortedTraits(id)).toEqual(OURS);
    expect((await host.run(["traits", "sync"])).out).toContain("unchanged");
    expect((await host.run(["traits", "show"])).out).toContain("all is as it should be");
  });

  test("withdraws them while the backend cannot make encrypted disks, and says why", async () => {
    const { host, id, configure } = await withProvider();
    await using _host = host;
    await host.json(["traits", "sync"]);

    await configure("[libvirt]", "images_type = noluks");
    const changed = await host.json<Report>(["traits", "show"]);
    expect(changed.absent).toMatchObject([{ source: "backend noluks", reason: "it makes no LUKS disks" }]);
    expect(changed.reporters[0]?.extra).toEqual(OURS);
    expect((await host.json<Report>(["traits", "sync"])).reporters[0]?.removed).toEqual(OURS);
    expect(await os.traitsOf(id)).toEqual([]);

    await configure();
    await host.json(["traits", "sync"]);
    expect(await sortedTraits(id)).toEqual(OURS);

    const instances = join(host.path, "instances");
    await rename(instances, `${instances}.away`);
    await writeFile(instances, "not a directory");
    const { out, exitCode } = await host.run(["traits", "sync"]);
    expect([exitCode, out]).toEqual([0, expect.stringContaining(`${instances} is not a directory`)]);
    expect(await os.traitsOf(id)).toEqual([]);
  });

  test("makes the resource provider when it is told to, and fails when it is not", async () => {
    const { host, name } = await reportingHost();
    await using _host = host;
    expect(await host.run(["traits", "sync"])).toMatchObject({
      exitCode: 66,
      err: expect.stringContaining("--create-provider"),
    });
    const made = await host.json<Report>(["traits", "sync", "--create-provider"]);
    expect(made).toMatchObject({ created: ["placement"], reporters: [{ provider: { name }, added: OURS }] });
    const again = await host.json<Report>(["traits", "sync", "--create-provider"]);
    expect(again).toMatchObject({ created: [], reporters: [{ added: [] }] });
  });

  test("goes on with --every until it is stopped, mends what others remove, and withdraws nothing", async () => {
    const { host, id } = await withProvider();
    await using _host = host;
    const io = new MemoryIo({ cwd: host.path });
    const running = host.run(["traits", "sync", "--every", "1", "--json"], io);
    await until(async () => (await os.traitsOf(id)).length === 2);
    await call("DELETE", `${os.urls.placement}/resource_providers/${id}/traits`, {
      token: await os.issueToken("hostadmin"),
      headers: { "OpenStack-API-Version": "placement 1.39" },
    });
    await until(async () => (await os.traitsOf(id)).length === 2);
    await until(async () => io.out.trim().split("\n").length === 2);
    io.interrupt("SIGTERM");
    expect((await running).exitCode).toBe(0);
    const rounds = io.out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Report);
    expect(rounds.map(({ reporters }) => reporters[0]?.added)).toEqual([OURS, OURS]);
    expect(await sortedTraits(id)).toEqual(OURS);
  });

  test("prints what is known when Placement is away, and exits as an outage", async () => {
    const { host, configure } = await withProvider();
    await using _host = host;
    await configure("endpoint_override = http://127.0.0.1:1");
    for (const command of ["show", "sync"]) {
      const { exitCode, out, err } = await host.run(["traits", command, "--json"]);
      expect(exitCode).toBe(75);
      const report = JSON.parse(out) as Report;
      expect(report).toMatchObject({
        traits: OURS,
        reporters: [{ provider: null, traits: null, error: { code: "PlacementUnavailable" } }],
      });
      expect(err).toContain("PlacementUnavailable");
    }
  });

  test("says how to get a reporter where there is none", async () => {
    await using host = await TemporaryHost.create();
    const sync = await host.run(["traits", "sync"]);
    expect(sync).toMatchObject({ exitCode: 69, err: expect.stringContaining("@luksmith/traits-placement") });
    const show = await host.run(["traits", "show"]);
    expect(show).toMatchObject({ exitCode: 0, out: expect.stringContaining("@luksmith/traits-placement") });
    expect((await host.json<Report>(["traits", "show"])).traits).toEqual(OURS);
    const { exitCode } = await host.run(["traits", "sync", "--every", "0"]);
    expect(exitCode).toBe(64);
  });
});
