import { verifyDisks, type WritableHost } from "@luksmith/core/host";
import type { CephEnv } from "@luksmith/testing-services";
import { expect } from "vitest";
import { testContext } from "./workspace.ts";

function isBase(object: string): boolean {
  return object.startsWith("rbd_id.luksmith-base-");
}

/** Ids of the images that plain disks are clones of: a cache, which is nobody's. */
async function basesOf(
  ceph: CephEnv,
  namespace: string,
  objects: readonly string[],
): Promise<ReadonlySet<string>> {
  const ids = objects.filter(isBase).map(async (object) => {
    const spec = `${ceph.pool}/${namespace}/${object.slice("rbd_id.".length)}`;
    return (JSON.parse(await ceph.rbd(["info", "--format", "json", spec])) as { id: string }).id;
  });
  return new Set(await Promise.all(ids));
}

/**
 * Invariant 1 for disks in Ceph: fails unless inventory, images and key store say the same, each object belongs to one of the
 * images, everything opens, and nothing is unfinished.
 */
export async function expectRbdConsistent(
  host: WritableHost,
  ceph: CephEnv,
  namespace: string,
): Promise<void> {
  expect(host.journal.unfinished()).toEqual([]);
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  const all = await ceph.objects(namespace);
  const bases = await basesOf(ceph, namespace, all);
  const objects = all.filter((name) => !bases.has(name.split(".")[1] ?? "") && !isBase(name));
  const names = objects.filter((name) => name.startsWith("rbd_id."));
  expect(names).toEqual(disks.map(({ path }) => `rbd_id.${path.split("/").at(-1)}`).toSorted());
  const ids = new Set(disks.map(({ identity }) => identity["image"]));
  const others = objects.filter((name) => !names.includes(name));
  expect(others.filter((name) => !ids.has(name.split(".")[1] ?? ""))).toEqual([]);

  const services = await host.services();
  const stored: string[] = [];
  for await (const { id } of services.keys.list?.({}, testContext()) ?? []) stored.push(id);
  expect(stored.toSorted()).toEqual(disks.flatMap(({ encryption }) => encryption?.secretId ?? []).toSorted());
  for (const { disks: reports } of await verifyDisks(host, undefined, testContext())) {
    expect(reports.filter(({ ok }) => !ok)).toEqual([]);
  }
}
