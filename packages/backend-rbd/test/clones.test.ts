import { randomUUID } from "node:crypto";
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Image, ImageFile } from "@luksmith/core";
import { sharedCeph } from "@luksmith/testing-services";
import { BackendBench, RecordingRollback, testContext } from "@luksmith/testkit";
import { beforeAll, expect, test } from "vitest";
import { qemuRbdIo, tempDirectory } from "../../../testing/src/index.ts";
import type { RbdOptions } from "../src/index.ts";
import { RbdFixture } from "./rbd-fixture.ts";

const MIB = 1024 * 1024;
/** Longer than the image: what is behind it reads as zero. */
const SIZE = BigInt(20 * MIB);
const CANARY = "this is what the image holds";
const TRIMMED = { timeout: 20_000, interval: 300 };

beforeAll(() => sharedCeph(), 120_000);

class Clones implements AsyncDisposable {
  readonly bench: BackendBench;
  readonly fixture: RbdFixture;
  /** Data in its first, third and fifth part of 4 MiB, holes between them. */
  readonly content = Buffer.alloc(18 * MIB);
  readonly id = randomUUID();
  readonly #path = join(tempDirectory(), "image");

  private constructor(bench: BackendBench, fixture: RbdFixture) {
    this.bench = bench;
    this.fixture = fixture;
    for (const at of [0, 9, 17]) this.content.write(`${CANARY} at ${at} MiB`, at * MIB);
  }

  static async open(changes: Partial<RbdOptions> = {}): Promise<Clones> {
    let fixture: RbdFixture | undefined;
    const bench = await BackendBench.open(
      async (services) => (fixture = await RbdFixture.open(services, changes)),
    );
    const clones = new Clones(bench, fixture!);
    await writeFile(clones.#path, clones.content);
    return clones;
  }

  async image(): Promise<ImageFile> {
    const file = await open(this.#path);
    const size = BigInt(this.content.length);
    const path = this.#path;
    const dispose = () => file.close();
    return {
      id: this.id,
      format: "raw",
      path,
      fd: file.fd,
      size,
      virtualSize: size,
      [Symbol.asyncDispose]: dispose,
    };
  }

  /** A plain disk of the image. */
  async plain(ctx = this.bench.ctx): Promise<Image> {
    await using image = await this.image();
    const disk = { instanceUuid: randomUUID(), name: "disk", uuid: randomUUID(), virtualSize: SIZE };
    const made = this.bench.image(disk);
    const undo = new RecordingRollback();
    try {
      await made.create({ source: { kind: "image", image } }, undo, ctx);
    } catch (error) {
      await undo.undo(made);
      throw error;
    }
    return made;
  }

  /** The guest's bytes, as they must be. */
  get guest(): Buffer {
    return Buffer.concat([this.content, Buffer.alloc(Number(SIZE) - this.content.length)]);
  }

  async seen(image: Image): Promise<Buffer> {
    return Buffer.from(await this.fixture.rawBytes(image));
  }

  async remove(image: Image): Promise<void> {
    await image.remove((await image.identify(this.bench.ctx))!, this.bench.ctx);
  }

  async bases() {
    return (await this.bench.fixture.backend.bases?.list(this.bench.ctx)) ?? [];
  }

  /** The only one. */
  async base() {
    const [base, ...more] = await this.bases();
    if (!base || more.length > 0) throw new Error("there is not one base");
    return base;
  }

  objects(): Promise<readonly string[]> {
    return this.fixture.ceph.objects(this.fixture.namespace);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bench[Symbol.asyncDispose]();
  }
}

test("plain disks of one image are clones of one base, and nobody sees what another writes", async () => {
  await using clones = await Clones.open();
  const { bench, fixture, guest } = clones;
  const one = await clones.plain();
  const two = await clones.plain();
  expect(await one.standsOn(bench.ctx)).toMatch(/^rbd:vms\/t-.*\/luksmith-base-[0-9a-f]{40}@luksmith$/);
  expect((await clones.seen(one)).equals(guest)).toBe(true);
  await qemuRbdIo(fixture.qemu(one), [`write -P 0x58 ${9 * MIB} 4096`, `write -P 0x59 ${19 * MIB} 512`]);
  const written = Buffer.from(guest)
    .fill(0x58, 9 * MIB, 9 * MIB + 4096)
    .fill(0x59, 19 * MIB, 19 * MIB + 512);
  expect((await clones.seen(one)).equals(written)).toBe(true);
  expect((await clones.seen(two)).equals(guest)).toBe(true);
  expect((await one.verify(bench.ctx)).ok).toBe(true);

  const base = await clones.base();
  expect(base.usedBy.toSorted()).toEqual([one.path, two.path].toSorted());
  expect(base).toMatchObject({ bytes: 18 * MIB, allocatedBytes: expect.any(Number) });
  expect(base.allocatedBytes).toBeLessThan(18 * MIB);
  const before = await clones.objects();
  expect(await bench.fixture.backend.bases?.remove(base, bench.ctx)).toBe(false);
  expect(await clones.objects()).toEqual(before);
  await one.resize(SIZE + 512n, bench.ctx);
  await clones.remove(one);
  expect((await clones.seen(two)).equals(guest)).toBe(true);
  await clones.remove(two);
  expect((await clones.bases())[0]?.usedBy).toEqual([]);
  expect(await bench.fixture.backend.bases?.remove(base, bench.ctx)).toBe(true);
  await expect.poll(() => clones.objects(), TRIMMED).toEqual([]);
});

test("several at once make one base, and leave nothing half made", async () => {
  await using clones = await Clones.open();
  const disks = await Promise.all(Array.from({ length: 4 }, () => clones.plain()));
  for (const disk of disks) expect((await clones.seen(disk)).equals(clones.guest)).toBe(true);
  expect((await clones.bases()).map(({ usedBy }) => usedBy.length)).toEqual([4]);
  expect((await clones.objects()).filter((name) => name.includes("partial"))).toEqual([]);
});

test("an encrypted disk is never a clone: it would have its volume key from somebody else", async () => {
  await using clones = await Clones.open();
  const { bench, fixture } = clones;
  await using image = await clones.image();
  const made = await bench.create({ kind: "image", image }, { virtualSize: SIZE });
  expect(await made.image.standsOn(bench.ctx)).toBeUndefined();
  expect(await clones.bases()).toEqual([]);
  expect((await clones.seen(made.image)).includes(CANARY)).toBe(false);
  const seen = await fixture.oracle.read(made.image, made.passphrase);
  expect(Buffer.from(seen).subarray(0, clones.content.length).equals(clones.content)).toBe(true);
});

test("a flatten makes a clone stand alone; one that is ended leaves it a clone; again, it does nothing", async () => {
  await using clones = await Clones.open();
  const { bench, fixture, guest } = clones;
  const disk = await clones.plain();
  await qemuRbdIo(fixture.qemu(disk), [`write -P 0x58 ${9 * MIB} 4096`]);
  const written = Buffer.from(guest).fill(0x58, 9 * MIB, 9 * MIB + 4096);
  const stop = new AbortController();
  const seenBytes: bigint[] = [];
  const progress = ({ doneBytes }: { doneBytes: bigint }): void => {
    seenBytes.push(doneBytes);
    if (doneBytes > 0n) stop.abort(new Error("enough"));
  };
  const ended = disk.flatten(testContext({ signal: stop.signal, progress }));
  await expect(ended).rejects.toMatchObject({ code: "Cancelled" });
  expect(seenBytes[0]).toBe(0n);
  expect(await disk.settleBase(bench.ctx)).toContain("luksmith-base-");
  expect((await clones.seen(disk)).equals(written)).toBe(true);
  for (let round = 0; round < 2; round++) {
    await disk.flatten(bench.ctx);
    expect(await disk.standsOn(bench.ctx)).toBeUndefined();
    expect((await clones.seen(disk)).equals(written)).toBe(true);
  }
  const base = await clones.base();
  expect(base.usedBy).toEqual([]);
  expect(await bench.fixture.backend.bases?.remove(base, bench.ctx)).toBe(true);
  expect((await clones.seen(disk)).equals(written)).toBe(true);
  await clones.remove(disk);
  await expect.poll(() => clones.objects(), TRIMMED).toEqual([]);
});

test.each([
  [
    "of another size",
    async (clones: Clones, spec: string) => clones.fixture.ceph.rbd(["create", "--size", "1", spec]),
  ],
  [
    "that is not sealed",
    async ({ fixture: { ceph } }: Clones, spec: string) => {
      await ceph.rbd(["create", "--size", "18", spec]);
      await ceph.rbd(["snap", "create", "--no-progress", `${spec}@luksmith`]);
    },
  ],
] as const)("an image %s under the base's name is left alone, and the disk filled", async (_, make) => {
  await using clones = await Clones.open();
  const { bench, fixture } = clones;
  const first = await clones.plain();
  const base = await clones.base();
  await clones.remove(first);
  await bench.fixture.backend.bases?.remove(base, bench.ctx);
  await make(clones, base.path.replace("rbd:", ""));
  const before = await fixture.ceph.bytes(base.path.replace("rbd:", ""));
  const disk = await clones.plain();
  expect(await disk.standsOn(bench.ctx)).toBeUndefined();
  expect((await clones.seen(disk)).equals(clones.guest)).toBe(true);
  expect((await fixture.ceph.bytes(base.path.replace("rbd:", ""))).equals(before)).toBe(true);
  expect(bench.ctx.logged.some((line) => JSON.stringify(line).includes("the disk is filled"))).toBe(true);
});

test.each([
  ["switched off", { cloneImages: false }],
  [
    "images are without layering",
    {
      layout: { order: 22, features: 4, stripeUnit: undefined, stripeCount: undefined, dataPool: undefined },
    },
  ],
])("%s: every disk is filled", async (_, changes) => {
  await using clones = await Clones.open(changes);
  const disk = await clones.plain();
  expect(await disk.standsOn(clones.bench.ctx)).toBeUndefined();
  expect((await clones.seen(disk)).equals(clones.guest)).toBe(true);
  expect(await clones.bases()).toEqual([]);
});

test("clones are striped as configured, and flatten all the same", async () => {
  const layout = { order: 20, features: 1 + 2 + 4, stripeUnit: 65_536, stripeCount: 4, dataPool: undefined };
  await using clones = await Clones.open({ layout });
  const disk = await clones.plain();
  const info = JSON.parse(
    await clones.fixture.ceph.rbd(["info", "--format", "json", clones.fixture.spec(disk)]),
  );
  expect(info).toMatchObject({ object_size: MIB, stripe_unit: 65_536, stripe_count: 4 });
  await disk.flatten(clones.bench.ctx);
  expect((await clones.seen(disk)).equals(clones.guest)).toBe(true);
});
