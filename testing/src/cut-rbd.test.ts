import type { OpContext } from "@luksmith/core";
import {
  createInstance,
  deleteById,
  findInstance,
  type JournalListener,
  resizeDisk,
  type WritableHost,
} from "@luksmith/core/host";
import { type OwnCeph, startCeph } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rbdHost } from "./rbd-host.ts";
import { expectRbdConsistent } from "./rbd-state.ts";
import type { TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4 };
const QUICK = ["connect_timeout = 2", "operation_timeout = 2"];
/** What is half done or not done at all is said to be so, and in time. */
const LIMIT_MS = 60_000;

/** A cluster of its own: its daemons hang. */
let ceph: OwnCeph;

beforeAll(async () => void (ceph = await startCeph()), 120_000);
afterAll(() => ceph[Symbol.asyncDispose]());

interface Cut {
  readonly temp: TempHost;
  readonly namespace: string;
  readonly image: string;
}

async function prepare(): Promise<Cut> {
  const { temp, namespace } = await rbdHost(ceph, { backend: QUICK });
  return { temp, namespace, image: temp.addImage(6 * MIB) };
}

/** Does something while the OSD stops to answer in the middle; afterwards it answers again, and recovery settles it. */
async function cut(
  { temp, namespace }: Cut,
  work: (host: WritableHost, ctx: OpContext) => Promise<unknown>,
  when: { readonly journal?: string; readonly progress?: boolean },
): Promise<{ readonly error: unknown; readonly recovered: readonly string[] }> {
  let hangs = false;
  const hang = (): void => {
    if (!hangs) ceph.hang("osd");
    hangs = true;
  };
  const onJournal: JournalListener = ({ event }) => void (event === when.journal && hang());
  const ctx = testContext({ progress: ({ doneBytes }) => void (when.progress && doneBytes > 0n && hang()) });
  const began = Date.now();
  let error: unknown;
  try {
    await using host = await temp.write(testContext(), onJournal);
    error = await work(host, ctx).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  } finally {
    ceph.goOn("osd");
  }
  expect(hangs, "the OSD was made to hang").toBe(true);
  expect(Date.now() - began).toBeLessThan(LIMIT_MS);
  await using host = await temp.write();
  await expectRbdConsistent(host, ceph, namespace);
  return { error, recovered: host.recovery.operations.map(({ outcome }) => outcome) };
}

async function addInstance({ temp, image }: Cut): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, DISKS), testContext())).uuid;
}

describe("the storage is cut off in the middle; once it is back, nothing is left over and nothing is lost", () => {
  test.each([
    ["a create, before its image is made", { journal: "image" }],
    ["a create, while its image is filled", { progress: true }],
  ])(
    "%s",
    async (_, when) => {
      const prepared = await prepare();
      const { temp, image } = prepared;
      const request = await temp.request(image, DISKS);
      const { error, recovered } = await cut(
        prepared,
        (host, ctx) => createInstance(host, request, ctx),
        when,
      );
      expect(error).toMatchObject({ code: "CephTimedOut", retryable: true });
      // It could not be taken back at once.
      expect(recovered).toEqual(["undone"]);
      expect(await ceph.objects(prepared.namespace)).toEqual([]);
      await addInstance(prepared);
    },
    180_000,
  );

  test("a resize", async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    const grow = async (host: WritableHost, ctx: OpContext) =>
      resizeDisk(host, await findInstance(host, id), "disk.swap", BigInt(8 * MIB), ctx);
    const { error } = await cut(prepared, grow, { journal: "begin" });
    expect(error).toBeDefined();
    await using host = await prepared.temp.write();
    expect((await grow(host, testContext())).virtualSize).toBe(BigInt(8 * MIB));
  }, 180_000);

  test("a delete", async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    const remove = (host: WritableHost, ctx: OpContext) =>
      deleteById(host, id, { forgetMissing: false }, ctx);
    const { error, recovered } = await cut(prepared, remove, { journal: "begin" });
    expect(error).toMatchObject({ code: "EphemeralEncryptionCleanupFailed" });
    expect(recovered).toEqual(["finished"]);
    expect(await ceph.objects(prepared.namespace)).toEqual([]);
  }, 180_000);

  test("a monitor that is away keeps a host from nothing but what needs it", async () => {
    const prepared = await prepare();
    const { temp, image, namespace } = prepared;
    await addInstance(prepared);
    ceph.hang("mon");
    try {
      await using host = await temp.write();
      const create = createInstance(host, await temp.request(image, DISKS), testContext());
      await expect(create).rejects.toMatchObject({ code: "CephUnavailable", retryable: true });
      expect(host.inventory.instances().length).toBe(1);
    } finally {
      ceph.goOn("mon");
    }
    await using host = await temp.write();
    await expectRbdConsistent(host, ceph, namespace);
  }, 180_000);
});
