import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ImageBackend, Plugin, Registrar } from "@luksmith/core";
import {
  createInstance,
  deleteById,
  findDiscrepancies,
  type GcReport,
  type ImportModule,
  type InstanceRecord,
  ReadableHost,
  reconcile,
  rekeyDisks,
  snapshotDisk,
  WritableHost,
} from "@luksmith/core/host";
import { faults, type OpenStack, sharedOpenStack } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { openStackHost } from "../openstack/openstack-host.ts";
import type { TempHost } from "../temp-host.ts";
import { treeOf } from "../tree.ts";
import { importWorkspace } from "../workspace.ts";
import { openVault, type Vault } from "./gc-host.ts";

let openstack: OpenStack;
beforeAll(async () => void (openstack = await sharedOpenStack()), 180_000);

const NOW = { graceSeconds: 0 };

interface Prepared {
  readonly temp: TempHost;
  readonly vault: Vault;
  readonly instances: readonly InstanceRecord[];
  /** Secrets that are leftovers: of a deleted disk, of a deleted snapshot, and an old one. */
  readonly leftovers: readonly string[];
}

/** Two sound instances, and the secrets of three things that were to go. */
async function prepare(luksmith: readonly string[] = []): Promise<Prepared> {
  const vault = await openVault(openstack);
  const temp = openStackHost(openstack, {
    barbicanUrl: vault.proxy.url,
    barbican: ["timeout = 1"],
    hostCopies: true,
    luksmith: ["secret_security = host", ...luksmith],
  });
  const ctx = await vault.ctx();
  await using host = await temp.write(ctx);
  const image = temp.addImage(1 << 20);
  const make = async () => await createInstance(host, await temp.request(image), ctx);
  const [kept, rekeyed, gone] = [await make(), await make(), await make()];
  const request = { disk: "disk", target: join(temp.root, "copy"), format: "raw", plain: false } as const;
  const snapshot = await snapshotDisk(host, kept, request, ctx);
  const leftovers = [gone, rekeyed].map(({ disks }) => disks[0]?.encryption?.secretId ?? "");
  leftovers.push(snapshot.encryption?.secretId ?? "");
  for (const id of leftovers) vault.restored.add(id);
  await deleteById(host, gone.uuid, { forgetMissing: false }, ctx);
  await deleteById(host, snapshot.uuid, { forgetMissing: false }, ctx);
  await rekeyDisks(host, rekeyed, undefined, ctx);
  vault.restored.clear();
  return { temp, vault, instances: host.inventory.instances(), leftovers };
}

/** Everything that could be lost: disks, secrets, copies. */
async function belongings({ temp, vault }: Prepared): Promise<unknown> {
  const copies = readFileSync(join(temp.statePath, "host-copies.sqlite")).length;
  return [treeOf(temp.instancesPath), await vault.payloads(), copies];
}

async function apply({ temp, vault }: Prepared): ReturnType<typeof reconcile> {
  const ctx = await vault.ctx();
  await using host = await temp.write(ctx);
  return await reconcile(host, NOW, ctx);
}

const kinds = (report: Pick<GcReport, "discrepancies">): readonly string[] =>
  report.discrepancies.map(({ kind }) => kind).toSorted();

const LEFT = ["secret-orphan", "secret-orphan", "secret-superseded"];

describe("a key manager that does not answer as it should", { timeout: 180_000 }, () => {
  test("takes nothing along: what a list does not show is neither missing nor a leftover", async () => {
    const prepared = await prepare();
    const { proxy } = prepared.vault;
    const before = await belongings(prepared);
    const list = ({ method, path }: { readonly method: string; readonly path: string }): boolean =>
      method === "GET" && /^\/v1\/secrets\/?(?:\?|$)/u.test(path);
    const json = { "content-type": "application/json" };
    const answers = {
      "500": faults.status(500, "{}", json),
      HTML: faults.badGateway(),
      "no JSON": faults.garbage(),
      "no answer": faults.hang(),
      "half an answer": faults.cut(200),
      "403": faults.status(403, "{}", json),
      empty: faults.status(200, '{"secrets": [], "total": 0}', json),
      "a page without what it announces": faults.status(200, '{"secrets": [], "total": 50}', json),
    };
    for (const [name, fault] of Object.entries(answers)) {
      const remove = proxy.on((request) => (list(request) ? fault : undefined));
      const { outcomes, troubles } = await apply(prepared);
      remove();
      const silent = name === "empty" || name.startsWith("a page");
      expect([name, outcomes, troubles.length]).toEqual([name, [], silent ? 0 : 1]);
      expect(await belongings(prepared)).toEqual(before);
    }
    // It lists, and gives nothing else: the new passphrase is not shown to open its disk, so the old one stays.
    const remove = proxy.on((request) =>
      request.method === "GET" && !list(request) ? faults.status(404, "{}", json) : undefined,
    );
    const denied = await apply(prepared);
    remove();
    expect(denied.outcomes.filter(({ discrepancy }) => discrepancy.kind === "secret-missing")).toEqual([]);
    expect(denied.outcomes.find(({ discrepancy }) => discrepancy.kind === "secret-superseded")).toMatchObject(
      {
        outcome: "refused",
        reason: expect.stringContaining("was not shown to open it"),
      },
    );
  });

  test("leaves what it cannot delete to recovery, and the rest goes on", async () => {
    const prepared = await prepare();
    const { vault, temp, leftovers } = prepared;
    const [orphan = ""] = leftovers;
    vault.stuck.add(orphan);
    const { outcomes } = await apply(prepared);
    const of = (id: string) => outcomes.find(({ discrepancy }) => discrepancy.object === id)?.outcome;
    expect(leftovers.map(of)).toEqual(["failed", "done", "done"]);
    {
      await using host = await temp.read();
      expect(host.inventory?.waiting()).toMatchObject([{ kind: "gc", tries: 1 }]);
    }
    // What is to be deleted is told as an unfinished operation, not found again.
    const ctx = await vault.ctx();
    {
      await using host = await temp.read();
      expect(kinds(await findDiscrepancies(host, NOW, ctx))).toEqual([]);
    }
    vault.stuck.clear();
    await using host = await temp.write(ctx);
    expect(host.recovery.operations).toMatchObject([{ kind: "gc", outcome: "finished" }]);
    expect([...(await vault.payloads()).keys()].filter((id) => leftovers.includes(id))).toEqual([]);
  });
});

describe("storage that is not there", { timeout: 180_000 }, () => {
  test("an empty directory instead of the file system proves nothing: no passphrase is deleted", async () => {
    const prepared = await prepare();
    const { temp, instances } = prepared;
    const before = await belongings(prepared);
    const away = `${temp.instancesPath}-away`;
    renameSync(temp.instancesPath, away);
    mkdirSync(temp.instancesPath);
    const { outcomes } = await apply(prepared);
    const told = outcomes.map(({ discrepancy: { kind } }) => kind);
    expect(told.toSorted()).toEqual(["disk-missing", "disk-missing", ...LEFT].toSorted());
    const acted = outcomes.filter(({ outcome }) => outcome !== "left");
    // The snapshot's file was elsewhere, where its directory has others; no disk opens, so nothing is shown to be superseded.
    expect(acted.map(({ discrepancy, outcome }) => `${discrepancy.kind} ${outcome}`).toSorted()).toEqual([
      "secret-orphan done",
      "secret-superseded refused",
    ]);
    rmSync(temp.instancesPath, { recursive: true });
    renameSync(away, temp.instancesPath);
    const after = (await belongings(prepared)) as readonly [unknown, ReadonlyMap<string, string>, number];
    const [tree, payloads] = before as typeof after;
    expect(after[0]).toEqual(tree);
    expect(payloads.size - after[1].size).toBe(1);
    const needed = instances.flatMap(({ disks }) =>
      disks.map(({ encryption }) => encryption?.secretId ?? ""),
    );
    for (const id of needed) expect(after[1].get(id)).toBe(payloads.get(id));
  });

  test.each([
    ["shows half of what it has", (all: readonly unknown[]) => all.slice(1), 1],
    ["breaks off", undefined, 1],
  ] as const)("a list that %s deletes no passphrase", async (_, change, troubles) => {
    const prepared = await prepare();
    const { temp, vault } = prepared;
    const ctx = await vault.ctx();
    const before = await belongings(prepared);
    const options = { importModule: relisting(change), command: "a test" };
    await using host = await WritableHost.write(await temp.config(), options, ctx);
    const { outcomes, ...rest } = await reconcile(host, NOW, ctx);
    const disk = outcomes.find(
      ({ discrepancy: { kind, act } }) => kind === "secret-orphan" && act === undefined,
    );
    expect(disk).toMatchObject({ outcome: "left" });
    expect(rest.troubles).toHaveLength(troubles);
    expect(outcomes.filter(({ outcome }) => outcome === "done")).toHaveLength(2);
    const after = (await belongings(prepared)) as readonly [unknown, ReadonlyMap<string, string>, number];
    expect(after[0]).toEqual((before as typeof after)[0]);
    expect(after[1].has(prepared.leftovers[0] ?? "")).toBe(true);
  });
});

/** The raw backend, listing something else. @param change undefined: it throws after the first */
function relisting(change: ((all: readonly never[]) => readonly unknown[]) | undefined): ImportModule {
  return async (specifier) => {
    const module = (await importWorkspace(specifier)) as { default: Plugin };
    if (!specifier.endsWith("backend-raw")) return module;
    const { default: plugin } = module;
    const register = (registrar: Registrar, config: unknown): void =>
      plugin.register(
        {
          provide: registrar.provide.bind(registrar),
          contribute: (to, factory) =>
            registrar.contribute(to, (resolver) => {
              const made = factory(resolver);
              const backend = made as ImageBackend;
              const list = backend.list?.bind(backend);
              return Object.assign({}, made, {
                list: async function* (...args: Parameters<NonNullable<ImageBackend["list"]>>) {
                  const all: unknown[] = [];
                  for await (const each of list?.(...args) ?? []) all.push(each);
                  if (change) return yield* change(all as never[]);
                  yield all[0];
                  throw new Error("the storage went away");
                },
              });
            }),
        },
        config,
      );
    return { default: { ...plugin, register } };
  };
}

test("a restored disk keeps its passphrase, also where it comes back between looking and acting", async () => {
  const prepared = await prepare();
  const { temp, vault, leftovers } = prepared;
  const ctx = await vault.ctx();
  await using host = await temp.write(ctx);
  const gone = host.inventory.gone().find(({ secretId, backend }) => backend && secretId === leftovers[0]);
  const path = gone?.path ?? "";
  // As soon as the first act begins, which is another one.
  const restore = host.journal;
  const begin = restore.begin.bind(restore);
  let restored = false;
  Object.assign(restore, {
    begin: (...args: Parameters<typeof begin>) => {
      if (!restored) {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, "from a backup");
        restored = true;
      }
      return begin(...args);
    },
  });
  const { outcomes } = await reconcile(host, NOW, ctx);
  const outcome = outcomes.find(({ discrepancy }) => discrepancy.object === leftovers[0]);
  const others = outcomes.filter((each) => each !== outcome).map((each) => each.outcome);
  expect(restored).toBe(true);
  // What Barbican lists first is done first: the older passphrase of another disk.
  expect(outcomes.map((each) => each.outcome)).toEqual(["done", "refused", "done"]);
  expect(others).toEqual(["done", "done"]);
}, 120_000);

test("two at once: the second writer is refused, a look beside the first changes nothing", async () => {
  const prepared = await prepare();
  const { temp, vault } = prepared;
  const ctx = await vault.ctx();
  await using host = await temp.write(ctx);
  await expect(temp.write(ctx)).rejects.toMatchObject({ category: "conflict" });
  const looks = [1, 2, 3].map(async () => {
    await using beside = ReadableHost.read(await temp.config(), importWorkspace);
    return await findDiscrepancies(beside, NOW, ctx);
  });
  const [first, second] = await Promise.all([reconcile(host, NOW, ctx), reconcile(host, NOW, ctx), ...looks]);
  // Each thing was done once, whoever did it; the other one found it reserved, or done.
  const outcomes = [...first.outcomes, ...second.outcomes];
  expect(outcomes.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  await using again = await temp.read();
  expect(kinds(await findDiscrepancies(again, NOW, ctx))).toEqual([]);
  expect(host.journal.unfinished()).toEqual([]);
}, 120_000);
