import {
  cacheList,
  cachePrune,
  createInstance,
  deleteById,
  findInstance,
  flattenDisk,
  rebaseDisk,
} from "@luksmith/core/host";
import { sharedCeph } from "@luksmith/testing-services";
import { beforeAll, expect, test } from "vitest";
import { rbdHost } from "./rbd-host.ts";
import { expectRbdConsistent } from "./rbd-state.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const ALL = { dryRun: false, allUnused: true };

beforeAll(() => sharedCeph(), 120_000);

test("bases in Ceph are listed with the disks on them, and pruned when there are none", async () => {
  const ceph = await sharedCeph();
  const { temp, namespace } = await rbdHost(ceph);
  const image = temp.addImage(6 * MIB);
  const ctx = testContext();
  await using host = await temp.write();
  const create = async () => {
    const request = await temp.request(image, { encrypted: false });
    const { uuid } = await createInstance(host, request, ctx);
    return await findInstance(host, uuid);
  };
  const [one, two] = [await create(), await create()];
  const paths = [one, two].map(({ disks }) => disks[0]?.path);
  const [base, ...more] = (await cacheList(host, ctx)).bases;
  expect(more).toEqual([]);
  expect(base).toMatchObject({
    name: expect.stringMatching(/^luksmith-base-[0-9a-f]{40}$/),
    bytes: 6 * MIB,
    allocatedBytes: 6 * MIB,
  });
  expect(base?.usedBy.toSorted()).toEqual(paths.toSorted());
  expect(Math.abs(Date.now() - Date.parse(base?.lastUsed ?? ""))).toBeLessThan(600_000);
  expect((await cachePrune(host, ALL, ctx)).bases).toMatchObject([{ removed: false, keptBecause: "in use" }]);

  const rebase = rebaseDisk(host, one, { disk: "disk", file: "/nowhere" }, ctx);
  await expect(rebase).rejects.toMatchObject({ code: "UnsupportedOperation" });
  const record = one.disks[0];
  expect(await flattenDisk(host, one, "disk", ctx)).toEqual(record);
  expect(await flattenDisk(host, one, "disk", ctx)).toEqual(record);
  expect((await cacheList(host, ctx)).bases[0]?.usedBy).toEqual([two.disks[0]?.path]);
  await deleteById(host, two.uuid, { forgetMissing: false }, ctx);

  const lately = await cachePrune(host, { dryRun: false, allUnused: false }, ctx);
  expect(lately.bases).toMatchObject([{ removed: false, keptBecause: "used lately" }]);
  const dry = await cachePrune(host, { ...ALL, dryRun: true }, ctx);
  expect(dry.bases).toMatchObject([{ removed: true }]);
  expect((await cacheList(host, ctx)).bases.length).toBe(1);
  expect((await cachePrune(host, ALL, ctx)).bases).toMatchObject([{ removed: true, name: base?.name }]);
  expect((await cacheList(host, ctx)).bases).toEqual([]);
  await expectRbdConsistent(host, ceph, namespace);
  // Made again by the next disk.
  await create();
  expect((await cacheList(host, ctx)).bases.length).toBe(1);
  await expectRbdConsistent(host, ceph, namespace);
}, 120_000);
