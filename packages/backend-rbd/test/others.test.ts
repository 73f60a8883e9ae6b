import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { GeneratedPassphrase } from "@luksmith/core";
import { sharedCeph } from "@luksmith/testing-services";
import { BackendBench, RecordingRollback } from "@luksmith/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "../../../testing/src/index.ts";
import type { RbdOptions } from "../src/index.ts";
import { RbdFixture } from "./rbd-fixture.ts";

const MIB = 1024 * 1024;
const TRIMMED = { timeout: 20_000, interval: 300 };

beforeAll(() => sharedCeph(), 120_000);

interface Opened extends AsyncDisposable {
  readonly bench: BackendBench;
  readonly fixture: RbdFixture;
}

async function open(changes: Partial<RbdOptions> = {}): Promise<Opened> {
  let fixture: RbdFixture | undefined;
  const bench = await BackendBench.open(
    async (services) => (fixture = await RbdFixture.open(services, changes)),
  );
  return { bench, fixture: fixture!, [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose]() };
}

async function created({ bench }: Opened) {
  const disk = await bench.create();
  const identity = await disk.image.identify(bench.ctx);
  return { ...disk, identity: identity! };
}

describe("what others do with an image", () => {
  test("snapshots of it go with it, protected ones too: they have its old header", async () => {
    await using opened = await open();
    const { bench, fixture } = opened;
    const { image, identity } = await created(opened);
    await fixture.ceph.rbd(["snap", "create", "--no-progress", `${fixture.spec(image)}@one`]);
    await fixture.ceph.rbd(["snap", "create", "--no-progress", `${fixture.spec(image)}@two`]);
    await fixture.ceph.rbd(["snap", "protect", `${fixture.spec(image)}@two`]);
    await image.remove(identity, bench.ctx);
    // Ceph takes objects of snapshots away when it has time.
    await expect.poll(() => fixture.ceph.objects(fixture.namespace), TRIMMED).toEqual([]);
  });

  test("snapshots that would keep the old passphrase for ever are in the way of a new one, and of nothing else", async () => {
    await using opened = await open();
    const { bench, fixture } = opened;
    const { image, passphrase, undo } = await created(opened);
    await fixture.ceph.rbd(["snap", "create", "--no-progress", `${fixture.spec(image)}@kept`]);
    using next = GeneratedPassphrase.create();
    const { id: secretId } = await bench.keys.create(
      { name: `next ${randomUUID()}`, passphrase: next },
      bench.ctx,
    );
    const before = await fixture.contents();
    await expect(image.rekey({ passphrase: next, secretId }, undo, bench.ctx)).rejects.toMatchObject({
      code: "HeaderCopiesRemain",
      message: expect.stringContaining("kept"),
    });
    expect(await fixture.contents()).toEqual(before);
    await image.resize(8n * BigInt(MIB), bench.ctx);
    await fixture.ceph.rbd(["snap", "rm", "--no-progress", `${fixture.spec(image)}@kept`]);
    await image.rekey({ passphrase: next, secretId }, undo, bench.ctx);
    expect(await fixture.oracle.opens(image, passphrase)).toBe(true);
  });

  test("an erasure leaves no header in snapshots: they go first, so that the storage keeps none", async () => {
    await using opened = await open();
    const { bench, fixture } = opened;
    const { image, identity, passphrase } = await created(opened);
    await fixture.ceph.rbd(["snap", "create", "--no-progress", `${fixture.spec(image)}@one`]);
    await fixture.ceph.rbd(["snap", "protect", `${fixture.spec(image)}@one`]);
    await image.erase(bench.ctx);
    const object = `rbd_data.${identity["image"] as string}.0000000000000000`;
    const versions = (await fixture.ceph.rados(["listsnaps", object], fixture.namespace)).toString("utf8");
    expect(versions.trim().split("\n").slice(2), "the header has no older version").toEqual([
      expect.stringMatching(/^head\b/),
    ]);
    expect(await fixture.ceph.rbd(["snap", "ls", fixture.spec(image)])).toBe("");
    expect(await fixture.oracle.opens(image, passphrase)).toBe(false);
  });

  test("clones of its snapshots keep it, untouched", async () => {
    await using opened = await open();
    const { bench, fixture } = opened;
    const { image, identity } = await created(opened);
    const spec = fixture.spec(image);
    await fixture.ceph.rbd(["snap", "create", "--no-progress", `${spec}@one`]);
    await fixture.ceph.rbd(["snap", "protect", `${spec}@one`]);
    await fixture.ceph.rbd(["clone", `${spec}@one`, `${spec}-clone`]);
    const before = await fixture.contents();
    await expect(image.remove(identity, bench.ctx)).rejects.toMatchObject({
      code: "DiskInUse",
      message: expect.stringContaining("_disk-clone"),
    });
    expect(await fixture.contents()).toEqual(before);
    await fixture.ceph.rbd(["rm", "--no-progress", `${spec}-clone`]);
    await image.remove(identity, bench.ctx);
    await expect.poll(() => fixture.ceph.objects(fixture.namespace), TRIMMED).toEqual([]);
  });

  test("in Ceph's trash it is found by its id, erased and removed; another of its name stays", async () => {
    await using opened = await open();
    const { bench, fixture } = opened;
    const { image, identity, disk } = await created(opened);
    await fixture.ceph.rbd(["trash", "mv", "--expires-at", "2099-01-01", fixture.spec(image)]);
    expect(await image.identify(bench.ctx)).toBeUndefined();
    const other = await bench.create({ kind: "blank" }, { instanceUuid: disk.instanceUuid });
    await expect(image.remove(identity, bench.ctx)).rejects.toMatchObject({ code: "DiskReplaced" });
    await other.image.remove((await other.image.identify(bench.ctx))!, bench.ctx);
    await image.remove(identity, bench.ctx);
    await image.remove(identity, bench.ctx);
    expect(await fixture.ceph.objects(fixture.namespace)).toEqual([]);
    expect(await fixture.ceph.rbd(["trash", "ls", `${fixture.ceph.pool}/${fixture.namespace}`])).toBe("");
  });
});

describe("how an image is laid out", () => {
  test("is as configured; QEMU and librbd open it all the same", async () => {
    const layout = {
      order: 20,
      features: 1 + 2 + 4,
      stripeUnit: 65_536,
      stripeCount: 4,
      dataPool: undefined,
    };
    await using opened = await open({ layout, engine: "librbd" });
    const { bench, fixture } = opened;
    const { image, passphrase } = await created(opened);
    const info = await fixture.ceph.rbd(["info", "--format", "json", fixture.spec(image)]);
    expect(JSON.parse(info)).toMatchObject({
      size: 8 * MIB,
      object_size: MIB,
      stripe_unit: 65_536,
      stripe_count: 4,
      features: ["layering", "striping", "exclusive-lock"],
    });
    expect(await bench.fixture.oracle.opens(image, passphrase)).toBe(true);
    expect(image.source()).toMatchObject({ engine: "librbd" });
  });

  test("that librbd could not decrypt is refused where librbd shall do it", async () => {
    const layout = {
      order: 23,
      features: undefined,
      stripeUnit: undefined,
      stripeCount: undefined,
      dataPool: undefined,
    };
    await using opened = await open({ layout, engine: "librbd" });
    const { image, passphrase, undo } = await opened.bench.describe();
    const create = image.create({ source: { kind: "blank" }, passphrase }, undo, opened.bench.ctx);
    await expect(create).rejects.toMatchObject({ code: "ConfigInvalid" });
    await undo.undo(image);
    expect(await opened.fixture.ceph.objects(opened.fixture.namespace)).toEqual([]);
  });
});

test("several at a time of one name: one is made, the others refuse and leave it alone", async () => {
  await using opened = await open();
  const { bench, fixture } = opened;
  const instanceUuid = randomUUID();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 4 }, async () => {
      const { image, passphrase, undo } = await bench.describe({ instanceUuid });
      try {
        await image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
        return image;
      } catch (error) {
        await undo.undo(image);
        throw error;
      }
    }),
  );
  const refusals = outcomes.flatMap((outcome) =>
    outcome.status === "rejected" ? [(outcome.reason as { code?: string }).code] : [],
  );
  expect(refusals).toEqual(Array.from({ length: 3 }, () => "DiskExists"));
  const made = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  expect(made.length).toBe(1);
  expect((await made[0]?.verify(bench.ctx))?.ok).toBe(true);
  const objects = await fixture.ceph.objects(fixture.namespace);
  expect(objects.filter((name) => name.startsWith("rbd_id.")).length).toBe(1);
});

test("a publication that was cut short is taken back, both names", async () => {
  await using opened = await open();
  const { bench, fixture } = opened;
  const { image, passphrase } = await bench.describe();
  // The host dies when it is about to give the image its name, or in the middle of that.
  const undo = new RecordingRollback(2);
  const create = image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
  await expect(create).rejects.toMatchObject({ code: "InternalError" });
  const partial = (await fixture.ceph.objects(fixture.namespace)).find((name) => name.startsWith("rbd_id."));
  const name = `rbd_id.${image.path.split("/").at(-1)}`;
  const file = join(tempDirectory(), "id");
  await fixture.ceph.rados(["get", partial!, file], fixture.namespace);
  await fixture.ceph.rados(["put", name, file], fixture.namespace);
  expect((await image.verify(bench.ctx)).ok).toBe(true);
  for (let round = 0; round < 2; round++) {
    await undo.undo(image);
    expect(await fixture.ceph.objects(fixture.namespace)).toEqual([]);
    const list = await fixture.ceph.rbd(["ls", `${fixture.ceph.pool}/${fixture.namespace}`]);
    expect(list).toBe("");
  }
});
