import type { OpContext } from "@luksmith/core";
import {
  cacheList,
  createInstance,
  deleteById,
  findInstance,
  flattenDisk,
  resizeDisk,
  type WritableHost,
} from "@luksmith/core/host";
import { type CephDaemon, type OwnCeph, startCeph } from "@luksmith/testing-services";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rbdHost } from "./rbd-host.ts";
import { expectRbdConsistent } from "./rbd-state.ts";
import type { TempHost } from "./temp-host.ts";
import { importRbdCluster, testContext } from "./workspace.ts";

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

type Work = (host: WritableHost, ctx: OpContext) => Promise<unknown>;

async function prepare(): Promise<Cut> {
  const { temp, namespace } = await rbdHost(ceph, { backend: QUICK });
  return { temp, namespace, image: temp.addImage(6 * MIB) };
}

/**
 * Does something while a daemon stops to answer: when librbd has just been told to do `op`. Afterwards it answers again, and
 * recovery settles it.
 */
async function cut(
  daemon: CephDaemon,
  op: string,
  { temp, namespace }: Cut,
  work: Work,
): Promise<{ readonly error: unknown; readonly recovered: readonly string[] }> {
  let hangs = false;
  const began = Date.now();
  let error: unknown;
  const watch = await atCall(op, () => {
    if (!hangs) ceph.hang(daemon);
    hangs = true;
  });
  try {
    await using host = await temp.write(testContext());
    error = await work(host, testContext()).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  } finally {
    watch[Symbol.dispose]();
    ceph.goOn(daemon);
  }
  expect(hangs, "the daemon was made to hang").toBe(true);
  expect(Date.now() - began).toBeLessThan(LIMIT_MS);
  const recovered = await recover(temp);
  await using host = await temp.write();
  await expectRbdConsistent(host, ceph, namespace);
  return { error, recovered };
}

/** Opens the host until nothing is unfinished: a client that was given up counts as one for half a minute more. */
async function recover(temp: TempHost): Promise<readonly string[]> {
  const recovered: string[] = [];
  const unfinished = async () => {
    await using host = await temp.write();
    recovered.push(...host.recovery.operations.map(({ outcome }) => outcome));
    return host.journal.unfinished().length;
  };
  await expect.poll(unfinished, { timeout: 90_000, interval: 2000 }).toBe(0);
  return recovered.filter((outcome) => outcome !== "failed");
}

/** Calls `act` when the request for an operation has been sent; until it is disposed of. */
async function atCall(wanted: string, act: () => void): Promise<Disposable> {
  type Call = (op: string, ...rest: readonly unknown[]) => Promise<unknown>;
  const calls = (await importRbdCluster()).RbdCluster.prototype as unknown as Record<"call", Call>;
  const original = calls.call;
  calls.call = async function watched(op, ...rest) {
    const answer = original.call(this, op, ...rest);
    if (op === wanted) act();
    return await answer;
  };
  return { [Symbol.dispose]: () => void (calls.call = original) };
}

async function addInstance({ temp, image }: Cut, knobs: { encrypted?: boolean } = {}): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { ...DISKS, ...knobs }), testContext())).uuid;
}

/**
 * Without an OSD nothing goes on. A client that is connected knows most of what a monitor is asked for: then it goes well, and
 * else it ends in time.
 */
const CUTS = [{ daemon: "osd" }, { daemon: "mon" }] as const;
const TIMED_OUT = { code: "CephTimedOut", retryable: true };

describe.each(CUTS)(
  "the $daemon is cut off; once it is back, nothing is over and nothing lost",
  ({ daemon }) => {
    const mustFail = daemon === "osd";

    test.each([
      ["create", true],
      ["write", true],
      ["publish", true],
      ["clone", false],
      ["seal", false],
    ] as const)(
      "in a create, at its %s",
      async (op, encrypted) => {
        const prepared = await prepare();
        const { temp, image } = prepared;
        const request = await temp.request(image, { ...DISKS, encrypted });
        const create: Work = (host, ctx) => createInstance(host, request, ctx);
        const { error, recovered } = await cut(daemon, op, prepared, create);
        expectError(error, TIMED_OUT, mustFail);
        // Without an OSD it could not be taken back at once.
        expect(recovered).toEqual(mustFail || recovered.length > 0 ? ["undone"] : []);
        await using host = await temp.read();
        expect(host.inventory?.instances().length).toBe(error === undefined ? 1 : 0);
        await addInstance(prepared, { encrypted });
      },
      180_000,
    );

    test("in a resize", async () => {
      const prepared = await prepare();
      const id = await addInstance(prepared);
      const grow: Work = async (host, ctx) =>
        resizeDisk(host, await findInstance(host, id), "disk.swap", BigInt(8 * MIB), ctx);
      const { error } = await cut(daemon, "resize", prepared, grow);
      expectError(error, TIMED_OUT, mustFail);
      await using host = await prepared.temp.write();
      expect(await grow(host, testContext())).toMatchObject({ virtualSize: BigInt(8 * MIB) });
    }, 180_000);

    test("in a flatten", async () => {
      const prepared = await prepare();
      const id = await addInstance(prepared, { encrypted: false });
      const flatten: Work = async (host, ctx) => flattenDisk(host, await findInstance(host, id), "disk", ctx);
      const { error, recovered } = await cut(daemon, "own", prepared, flatten);
      expectError(error, TIMED_OUT, mustFail);
      // Whether it was carried out before the answer was lost is told by what is there.
      expect(recovered.filter((outcome) => outcome !== "undone" && outcome !== "settled")).toEqual([]);
      expect(recovered.length).toBe(error === undefined ? 0 : 1);
      const again = async () => {
        await using host = await prepared.temp.write();
        await flatten(host, testContext());
        await expectRbdConsistent(host, ceph, prepared.namespace);
        return (await cacheList(host, testContext())).bases[0]?.usedBy;
      };
      // The client that was given up counts as one for half a minute more.
      const patient = () => again().catch((failed: unknown) => failed);
      await expect.poll(patient, { timeout: 90_000, interval: 2000 }).toEqual([]);
    }, 180_000);

    test.each(["write", "remove"])(
      "in a delete, at its %s",
      async (op) => {
        const prepared = await prepare();
        const id = await addInstance(prepared);
        const remove: Work = (host, ctx) => deleteById(host, id, { forgetMissing: false }, ctx);
        const { error, recovered } = await cut(daemon, op, prepared, remove);
        expectError(error, { code: "EphemeralEncryptionCleanupFailed" }, mustFail);
        expect(recovered).toEqual(error === undefined ? [] : ["finished"]);
        expect(await ceph.objects(prepared.namespace)).toEqual([]);
      },
      180_000,
    );
  },
);

/** @param must whether it cannot have gone well */
function expectError(error: unknown, wanted: object, must: boolean): void {
  expect({ error }).toMatchObject({ error: must || error !== undefined ? wanted : undefined });
}

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
