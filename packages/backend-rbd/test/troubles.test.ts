import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ImageServices } from "@luksmith/core";
import { type OwnCeph, startCeph } from "@luksmith/testing-services";
import { BackendBench, type ImageBackendFixture, testContext } from "@luksmith/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tempDirectory } from "../../../testing/src/index.ts";
import { rbdBackend, type RbdOptions } from "../src/index.ts";
import { optionsFor } from "./rbd-fixture.ts";

/** A cluster of its own: its daemons are made to hang. */
let ceph: OwnCeph;
const QUICK = { connectTimeoutMs: 2000, operationTimeoutMs: 2000 };

beforeAll(async () => void (ceph = await startCeph()), 120_000);
afterAll(() => ceph[Symbol.asyncDispose]());

function openBench(changes: Partial<RbdOptions> = {}): Promise<BackendBench> {
  const make = async (services: ImageServices): Promise<ImageBackendFixture> => {
    const backend = rbdBackend(optionsFor(ceph, { ...QUICK, ...changes }), () => services);
    // These tests ask for nothing else.
    return {
      backend,
      [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
    } as unknown as ImageBackendFixture;
  };
  return BackendBench.open(make);
}

/** What a create ends with. */
async function created(bench: BackendBench) {
  const made = await bench.describe();
  const { image, passphrase, undo } = made;
  const create = image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
  const error = await create.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { ...made, error };
}

describe("a cluster that cannot be used", () => {
  test.each([
    ["a pool that the user may not use", () => ({ pool: ceph.foreignPool }), "CephAccessDenied", "rbd_user"],
    ["a pool that is not there", () => ({ pool: "nowhere" }), "CephPoolNotFound", "images_rbd_pool"],
    ["a user that is not there", () => ({ user: "nobody" }), "CephAccessDenied", "rbd_user"],
    [
      "a configuration that is not there",
      () => ({ conf: "/nowhere/ceph.conf" }),
      "ConfigInvalid",
      "images_rbd_ceph_conf",
    ],
    ["Python that is not there", () => ({ python: "/nowhere/python3" }), "CephUnavailable", "python"],
  ] as const)("%s", async (_, changes, code, says) => {
    await using bench = await openBench(changes());
    const { error, undo } = await created(bench);
    expect(error).toMatchObject({ code, message: expect.stringContaining(says) });
    expect(undo.size).toBe(0);
    expect(await bench.fixture.backend.ready?.(bench.ctx)).toContain(says);
  });

  test("a user that may read the pool and not write to it: nothing is half made", async () => {
    const directory = tempDirectory();
    const [keyring, conf] = [join(directory, "keyring"), join(directory, "ceph.conf")];
    const caps = ["mon", "profile rbd", "osd", `profile rbd-read-only pool=${ceph.pool}`];
    await ceph.admin(["auth", "get-or-create", "client.reader", ...caps, "-o", keyring]);
    writeFileSync(conf, `${readFileSync(ceph.conf, "utf8")}[client.reader]\nkeyring = ${keyring}\n`);
    await using bench = await openBench({ conf, user: "reader" });
    const { error, image, undo } = await created(bench);
    expect(error).toMatchObject({
      code: "CephAccessDenied",
      category: "permission",
      message: expect.stringContaining("rbd_user"),
    });
    expect(await image.identify(bench.ctx)).toBeUndefined();
    expect(await ceph.objects()).toEqual([]);
    await undo.undo(image);
  });

  test("a monitor that does not answer, and that answers again", async () => {
    await using bench = await openBench();
    ceph.hang("mon");
    try {
      const began = Date.now();
      const { error } = await created(bench);
      expect(error).toMatchObject({ code: "CephUnavailable", retryable: true });
      expect(Date.now() - began).toBeLessThan(15_000);
      expect(await bench.fixture.backend.ready?.(bench.ctx)).toContain("monitors");
    } finally {
      ceph.goOn("mon");
    }
    const { error, image } = await created(bench);
    expect(error).toBeUndefined();
    expect(await bench.fixture.backend.ready?.(bench.ctx)).toBeUndefined();
    await image.remove((await image.identify(bench.ctx))!, bench.ctx);
  });
});

describe("a cluster that does not go on", () => {
  test("an OSD that hangs ends each operation in time; what it was told later is taken back", async () => {
    await using bench = await openBench();
    const { image, passphrase, undo } = await bench.describe();
    const { disk: other } = await bench.create();
    const first = bench.image(other);
    ceph.hang("osd");
    try {
      const began = Date.now();
      const create = image.create({ source: { kind: "blank" }, passphrase }, undo, bench.ctx);
      await expect(create).rejects.toMatchObject({ code: "CephTimedOut", category: "timeout" });
      await expect(first.resize(8n * 1024n * 1024n, bench.ctx)).rejects.toMatchObject({
        code: "CephTimedOut",
      });
      await expect(first.identify(bench.ctx)).rejects.toMatchObject({ code: "CephTimedOut" });
      expect(Date.now() - began).toBeLessThan(30_000);
    } finally {
      ceph.goOn("osd");
    }
    await undo.undo(image);
    expect((await first.verify(bench.ctx)).ok).toBe(true);
    await first.remove((await first.identify(bench.ctx))!, bench.ctx);
    expect(await ceph.objects()).toEqual([]);
  }, 120_000);

  test("a full cluster is no space, not a time-out", async () => {
    // The memory of this OSD is never full by itself: what counts as full is.
    await using bench = await openBench();
    const { image } = await created(bench);
    const fullAt = (...ratios: readonly [string, string, string]) =>
      Promise.all(
        ["nearfull", "backfillfull", "full"].map((name, i) =>
          ceph.admin(["osd", `set-${name}-ratio`, ratios[i] ?? ""]),
        ),
      );
    await fullAt("0.0000001", "0.0000002", "0.0000003");
    const isFull = async () => /^pool \d+ 'vms'.* flags \S*full/m.test(await ceph.admin(["osd", "dump"]));
    await expect.poll(isFull, { timeout: 60_000, interval: 500 }).toBe(true);
    const full = await created(bench);
    await fullAt("0.85", "0.9", "0.95");
    await expect.poll(isFull, { timeout: 60_000, interval: 500 }).toBe(false);
    expect(full.error).toMatchObject({ code: "NoSpace" });
    await full.undo.undo(full.image);
    await image.remove((await image.identify(bench.ctx))!, bench.ctx);
    expect(await ceph.objects()).toEqual([]);
  }, 120_000);

  test("librbd's process killed in the middle of a fill: the next one takes everything back", async () => {
    await using bench = await openBench({ operationTimeoutMs: 60_000 });
    const { image, passphrase, undo } = await bench.describe({ virtualSize: 16n * 1024n * 1024n });
    const ctx = testContext({ progress: ({ doneBytes }) => void (doneBytes > 0n && killLibrbd()) });
    const source = { kind: "filesystem", format: "ext4" } as const;
    const create = image.create({ source, passphrase }, undo, ctx);
    await expect(create).rejects.toMatchObject({ code: "CephUnavailable" });
    // The dead client's watch has to be over first.
    await undo.undo(image);
    expect(await ceph.objects()).toEqual([]);
  }, 120_000);
});

/** Of this process's children, the one that talks to this cluster. */
function killLibrbd(): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      const parent = / \(.*\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
      if (words.includes("librbd.py") && Number(parent) === process.pid) process.kill(Number(pid), "SIGKILL");
    } catch {
      // it has ended
    }
  }
}
