import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInstance, listReceipts, rekeyVolumeKeys, type WritableHost } from "@luksmith/core/host";
import { sharedCeph } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
import { qemuDecrypt } from "./oracles/qemu.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { rbdHost } from "./rbd-host.ts";
import { expectRbdConsistent } from "./rbd-state.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, type TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const DISKS = { swap: 4 };
const SWEEP = { timeout: 600_000 };
/** `LUKSMITH_SWEEP=1`: each instant of a change of keys and of an erasure; else some. */
const STRIDE = Number(process.env["LUKSMITH_SWEEP"] ?? 4);

beforeAll(() => sharedCeph(), 120_000);

interface Prepared {
  readonly temp: TempHost;
  readonly image: string;
  readonly namespace: string;
}

async function prepare(): Promise<Prepared> {
  const { temp, namespace } = await rbdHost(await sharedCeph());
  return { temp, namespace, image: temp.addImage(6 * MIB) };
}

async function addInstance(
  { temp, image }: Prepared,
  knobs: { readonly encrypted?: boolean; readonly swap?: number } = {},
): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, { ...DISKS, ...knobs }), testContext())).uuid;
}

async function isThere({ temp }: Prepared, id: string): Promise<boolean> {
  await using host = await temp.read();
  return host.inventory?.instance(id) !== undefined;
}

/** Fails unless exactly the stored passphrase opens a disk, by what Ceph gives out, and its content is as it was. */
async function expectContent(
  host: WritableHost,
  { namespace }: Prepared,
  id: string,
  sha256: string,
): Promise<void> {
  const ceph = await sharedCeph();
  const disk = host.inventory.instance(id)?.disks.find(({ name }) => name === "disk");
  const folder = tempDirectory();
  const [copy, plain] = [join(folder, "copy"), join(folder, "plain")];
  await ceph.rbd(["export", `${ceph.pool}/${namespace}/${id}_disk`, copy]);
  using passphrase = await passphraseOf(host, disk?.encryption?.secretId);
  expect(await cryptsetupOpens(copy, passphrase)).toBe(true);
  const slots = [...(await luksDump(copy))].filter(
    ([name, state]) => name.startsWith("Key Slot") && state === "ENABLED",
  );
  expect(slots).toHaveLength(1);
  await qemuDecrypt({ path: copy, format: "raw", passphrase }, plain);
  expect(await digestOf(plain)).toBe(sha256);
  rmSync(folder, { recursive: true });
}

/** Some of the instants, other ones in each run, until one is later than the last; what was passed in that run. */
async function sweep(
  prepared: Prepared,
  step: number,
  actionOf: () => Promise<Action>,
  look: (host: WritableHost) => Promise<void> = async () => {},
): Promise<{ readonly instants: readonly string[]; readonly recovered: ReadonlySet<string> }> {
  const { temp, namespace } = prepared;
  const recovered = new Set<string>();
  for (let killAt = randomInt(1, step + 1); ; killAt += randomInt(1, step + 1)) {
    const outcome = await runChild({ configFile: temp.configFile, action: await actionOf(), killAt });
    await using host = await temp.write();
    for (const each of host.recovery.operations) recovered.add(each.outcome);
    await expectRbdConsistent(host, await sharedCeph(), namespace);
    await look(host);
    expect(outcome?.error).toBeUndefined();
    if (outcome) return { instants: outcome.instants, recovered };
  }
}

describe("invariant 1, of disks in Ceph", () => {
  test("a create killed at some instants leaves neither objects nor secrets", SWEEP, async () => {
    const prepared = await prepare();
    const { temp, image } = prepared;
    const create = async (): Promise<Action> => ({ kind: "create", request: temp.json(image, DISKS) });
    const { instants, recovered } = await sweep(prepared, 4, create);
    const passed = [
      "secret created",
      "journal: image",
      "rbd: create",
      "rbd: write",
      "rbd: close",
      "rbd: publish",
    ];
    expect(instants).toEqual(expect.arrayContaining(passed));
    expect(recovered).toEqual(new Set(["undone"]));
  });

  test("a create of clones killed at some instants leaves bases at most", SWEEP, async () => {
    const prepared = await prepare();
    const { temp } = prepared;
    // An image of its own each time, so that its base is made, too.
    const create = async (): Promise<Action> => {
      const request = temp.json(temp.addImage(2 * MIB), { encrypted: false });
      return { kind: "create", request };
    };
    const { instants, recovered } = await sweep(prepared, 8, create);
    const passed = ["rbd: write", "rbd: seal", "rbd: publish", "rbd: clone"];
    expect(instants).toEqual(expect.arrayContaining(passed));
    expect(recovered).toEqual(new Set(["undone"]));
  });

  test("a flatten killed at some instants leaves a disk that is a clone or stands alone", SWEEP, async () => {
    const prepared = await prepare();
    let id = "";
    const { instants } = await sweep(prepared, 8, async () => {
      id = await addInstance(prepared, { encrypted: false });
      return { kind: "flatten", id, disk: "disk" };
    });
    expect(instants).toEqual(expect.arrayContaining(["rbd: own", "rbd: detach"]));
  });

  test("a delete killed at some instants is finished", SWEEP, async () => {
    const prepared = await prepare();
    let id = await addInstance(prepared);
    let rounds = 0;
    const { instants, recovered } = await sweep(prepared, STRIDE, async () => {
      if (!(await isThere(prepared, id))) id = await addInstance(prepared);
      rounds++;
      return { kind: "delete", id };
    });
    // Whoever ended it, each disk has left one.
    await using host = await prepared.temp.read();
    const receipts = (await listReceipts(host, undefined)).map(({ receipt }) => receipt);
    const kept = (await isThere(prepared, id)) ? 1 : 0;
    expect(new Set(receipts.map(({ disk }) => disk.uuid)).size).toBe(receipts.length);
    expect(receipts.length % 2).toBe(0);
    expect(receipts.length / 2 + kept).toBeLessThanOrEqual(rounds);
    for (const { erasure, secret } of receipts) {
      expect(erasure?.proof).toMatchObject({ read_back: true, stored_passphrase: "refused" });
      expect(secret?.deleted_at).toEqual(expect.any(String));
    }
    expect(instants).toEqual(expect.arrayContaining(["rbd: write", "rbd: remove", "secret deleted"]));
    expect(instants.lastIndexOf("rbd: remove")).toBeLessThan(instants.indexOf("secret deleted"));
    expect(recovered).toEqual(new Set(["finished"]));
  });

  test(
    "a rekey killed at some instants leaves one passphrase, the old one or the new one",
    SWEEP,
    async () => {
      const prepared = await prepare();
      const id = await addInstance(prepared);
      const sha256 = await digestOf(prepared.temp.imageFile(prepared.image));
      const rekey = async (): Promise<Action> => ({ kind: "rekey", id, disk: "disk" });
      const look = (host: WritableHost) => expectContent(host, prepared, id, sha256);
      const { instants, recovered } = await sweep(prepared, STRIDE, rekey, look);
      expect(instants).toEqual(
        expect.arrayContaining(["rbd: write", "rbd: flush", "journal: drop-key+forget"]),
      );
      expect(recovered).toEqual(new Set(["undone", "finished"]));
    },
  );

  test.each(["goes on", "begins anew"])(
    "a change of the volume key killed at some instants %s, with the content as it was",
    SWEEP,
    async (then) => {
      const prepared = await prepare();
      const id = await addInstance(prepared, { swap: 0 });
      const sha256 = await digestOf(prepared.temp.imageFile(prepared.image));
      const { temp, namespace } = prepared;
      const step = STRIDE === 1 ? 1 : 3 * STRIDE;
      for (let killAt = step; ; killAt += step) {
        const action = { kind: "volume-key", id } as const;
        const outcome = await runChild({ configFile: temp.configFile, action, killAt });
        expect(outcome?.error).toBeUndefined();
        await using host = await temp.write();
        expect(host.recovery.operations.filter((each) => each.outcome === "failed")).toEqual([]);
        await expectContent(host, prepared, id, sha256);
        if (outcome) break;
        if (then === "begins anew" && host.inventory.reencryptions.of(id).length > 0) {
          await rekeyVolumeKeys(host, id, { disk: undefined, abandon: true }, testContext());
          await expectRbdConsistent(host, await sharedCeph(), namespace);
        }
      }
      await using host = await temp.write();
      await expectRbdConsistent(host, await sharedCeph(), namespace);
      const { disks } = host.inventory.instance(id) ?? { disks: [] };
      const receipts = (await listReceipts(host, id)).map(({ receipt }) => receipt);
      // At least the last run's, of each disk.
      expect(new Set(receipts.map(({ disk }) => disk.uuid))).toEqual(new Set(disks.map(({ uuid }) => uuid)));
    },
  );

  test("a resize killed at some instants leaves one size", SWEEP, async () => {
    const prepared = await prepare();
    const id = await addInstance(prepared);
    let bytes = 4 * MIB;
    const { instants } = await sweep(prepared, 3, async () => {
      bytes += 512;
      return { kind: "resize", id, disk: "disk.swap", bytes };
    });
    expect(instants).toContain("rbd: resize");
  });
});
