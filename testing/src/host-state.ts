import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { createInstance, verifyDisks, type WritableHost } from "@luksmith/core/host";
import { expect } from "vitest";
import type { TempHost } from "./temp-host.ts";
import { directoriesBelow, filesBelow, treeOf } from "./tree.ts";
import { testContext } from "./workspace.ts";

/** What an operation on something else must leave alone. */
export interface Bystanders {
  readonly instance: string;
  readonly secret: string;
  readonly file: string;
  /** Their files, as they were. */
  readonly tree: ReadonlyMap<string, string>;
  /** Where snapshots of a test go. */
  readonly snapshots: string;
}

/** Puts another instance, somebody else's file and somebody else's secret on a host. */
export async function addBystanders(temp: TempHost, image: string): Promise<Bystanders> {
  const directory = join(temp.instancesPath, "_base");
  const snapshots = join(temp.root, "snapshots");
  for (const path of [directory, snapshots]) mkdirSync(path);
  writeFileSync(join(directory, "not-ours"), "somebody else's");
  await using host = await temp.write();
  const { uuid } = await createInstance(host, await temp.request(image), testContext());
  using passphrase = GeneratedPassphrase.create();
  const services = await host.services();
  const { id } = await services.keys.create({ name: `foreign ${randomUUID()}`, passphrase }, testContext());
  const tree = treeOf(directory, join(temp.instancesPath, uuid), temp.imageFile(image));
  return { instance: uuid, secret: id, file: "_base/not-ours", tree, snapshots };
}

/**
 * Invariant 1, "no disk without a key, no key without a disk": fails unless inventory, instance files, snapshots and
 * key store say the same, everything opens, nothing is unfinished, and bystanders are as they were.
 */
export async function expectConsistent(
  temp: TempHost,
  host: WritableHost,
  others: Bystanders,
): Promise<void> {
  expect(host.journal.unfinished()).toEqual([]);
  const instances = host.inventory.instances();
  const disks = instances.flatMap((instance) => instance.disks);
  const snapshots = host.inventory.snapshots();

  const files = [...disks.map(({ path }) => path.slice(temp.instancesPath.length + 1)), others.file];
  expect(filesBelow(temp.instancesPath)).toEqual(files.toSorted());
  const copies = snapshots.map(({ path }) => path.slice(others.snapshots.length + 1));
  expect(filesBelow(others.snapshots)).toEqual(copies.toSorted());
  const directories = ["_base", ...instances.map(({ uuid }) => uuid)];
  expect(directoriesBelow(temp.instancesPath)).toEqual(directories.toSorted());

  const services = await host.services();
  const stored: string[] = [];
  for await (const { id } of services.keys.list?.({}, testContext()) ?? []) stored.push(id);
  const needed = [...disks, ...snapshots].flatMap(({ encryption }) => encryption?.secretId ?? []);
  expect(stored.toSorted()).toEqual([...needed, others.secret].toSorted());
  expect(instances.map(({ uuid }) => uuid)).toContain(others.instance);
  for (const { disks: reports } of await verifyDisks(host, undefined, testContext())) {
    expect(reports.filter(({ ok }) => !ok)).toEqual([]);
  }
  expectUntouched(others);
}

export function expectUntouched({ tree }: Bystanders): void {
  const roots = [...tree.keys()].filter(
    (path) => ![...tree.keys()].some((other) => path.startsWith(`${other}/`)),
  );
  expect(treeOf(...roots)).toEqual(tree);
}
