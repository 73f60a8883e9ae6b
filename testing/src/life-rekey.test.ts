import { findInstance, rekeyDisks, stopGuest, verifyDisks, type WritableHost } from "@luksmith/core/host";
import { sharedCeph, sharedLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, describe, expect, test } from "vitest";
import { runChild } from "./child/run-child.ts";
import { LifeHost, whole } from "./life-host.ts";
import { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
import { rbdLifeHost } from "./rbd-host.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const TEXT = "written before the rotation";
const SWEEP_MS = 600_000;
/** `LUKSMITH_SWEEP=1`: each instant, on qcow2, too; else some. */
const STRIDE = Number(process.env["LUKSMITH_SWEEP"] ?? 5);

beforeAll(async () => {
  await Promise.all([sharedLibvirt(), tinyGuest(), sharedCeph()]);
}, 300_000);

async function lifeHost(imagesType: "raw" | "qcow2" | "rbd"): Promise<LifeHost> {
  return imagesType === "rbd" ? await rbdLifeHost() : new LifeHost(imagesType, await sharedLibvirt());
}

function secretsOf(host: WritableHost, uuid: string): readonly (string | null | undefined)[] {
  return (host.inventory.instance(uuid)?.disks ?? []).map(({ encryption }) => encryption?.secretId);
}

async function expectSound(host: WritableHost, uuid: string): Promise<void> {
  const [report] = await verifyDisks(host, uuid, testContext());
  const checks = report?.disks.flatMap((disk) => disk.checks) ?? [];
  expect(checks.filter(({ result }) => result === "fail")).toEqual([]);
  expect(checks.filter(({ name }) => name === "passphrase").length).toBe(2);
}

/** By what does not share our code: one key slot, which the stored passphrase opens. */
async function expectOneKey(host: WritableHost, uuid: string): Promise<void> {
  for (const { path, encryption } of host.inventory.instance(uuid)?.disks ?? []) {
    using passphrase = await passphraseOf(host, encryption?.secretId);
    expect(await cryptsetupOpens(path, passphrase)).toBe(true);
    const slots = [...(await luksDump(path)).entries()].filter(([name]) => name.startsWith("Key Slot"));
    expect(slots.filter(([, state]) => state === "ENABLED")).toHaveLength(1);
  }
}

describe.each(["raw", "qcow2", "rbd"] as const)("a running guest's %s disks", (imagesType) => {
  test("get new passphrases under it: it writes on, and starts again by the new ones alone", async () => {
    const life = await lifeHost(imagesType);
    const ctx = testContext();
    const { instance } = await life.spawn(await life.guestImage(), { swap: 8 });
    const { uuid } = instance;
    const console = life.console(uuid);
    await console.ready();
    await console.write("/dev/vdb", TEXT);
    // It writes all the time, to both disks, past its cache.
    await console.run(
      `(while [ ! -e /tmp/stop ]; do dd if=/dev/zero of=/dev/vdb bs=64k seek=64 count=8 conv=notrunc,fsync 2>/dev/null || touch /tmp/failed; echo x >> /log && sync; echo x >> /tmp/rounds; done; touch /tmp/stopped) >/dev/null 2>&1 &`,
    );
    const before = await life.on(async (host) => secretsOf(host, uuid));
    const old = await life.on(async (host) => await passphraseOf(host, before[1]));
    const path = instance.disks[1]?.path ?? "";
    for (let round = 0; round < 3; round++) {
      await life.on(async (host) => {
        await rekeyDisks(host, await findInstance(host, uuid), undefined, ctx);
        await expectSound(host, uuid);
        expect(host.journal.unfinished()).toEqual([]);
      });
    }
    await console.run("touch /tmp/stop; while [ ! -e /tmp/stopped ]; do sleep 0.1; done");
    expect(Number(await console.run("wc -l < /tmp/rounds"))).toBeGreaterThan(0);
    await console.run("[ ! -e /tmp/failed ]");
    expect(await console.holds("/dev/vdb", TEXT)).toBe(true);
    const now = await life.on(async (host) => secretsOf(host, uuid));
    expect(now.filter((id) => before.includes(id))).toEqual([]);
    const rekeyed = await life.on(async (host) => await findInstance(host, uuid));
    await life.expectPicture(rekeyed, whole(rekeyed, "running"));
    // cryptsetup finds the header in a raw file by itself.
    const opened = imagesType === "raw" ? await cryptsetupOpens(path, old) : false;
    expect(opened).toBe(false);
    await life.on((host) => (imagesType === "raw" ? expectOneKey(host, uuid) : Promise.resolve()));
    old[Symbol.dispose]();
    await console.write("/dev/vdb", "written after it", { offset: 2 * MIB });

    await life.on((host) => stopGuest(host, uuid, { timeoutMs: 0 }, ctx));
    await life.on((host) => expectSound(host, uuid));
    await life.start(uuid);
    await console.ready();
    expect(await console.holds("/dev/vdb", TEXT)).toBe(true);
    expect(await console.holds("/dev/vdb", "written after it", { offset: 2 * MIB })).toBe(true);
  }, 300_000);
});

test.each(STRIDE === 1 ? (["raw", "qcow2"] as const) : (["raw"] as const))(
  "a rotation under a running guest, on %s, killed at instants of it leaves one passphrase, and the guest as it was",
  async (imagesType) => {
    const life = await lifeHost(imagesType);
    const { instance } = await life.spawn(await life.guestImage(), { swap: 4 });
    const { uuid } = instance;
    const console = life.console(uuid);
    await console.ready();
    const action = { kind: "rekey", id: uuid, disk: "disk.swap" } as const;
    const recovered = new Set<string>();
    for (let killAt = STRIDE; ; killAt += STRIDE) {
      const text = `round ${killAt}`;
      await console.write("/dev/vdb", text);
      const outcome = await runChild({ configFile: life.temp.configFile, action, killAt });
      expect(outcome?.error).toBeUndefined();
      await life.on(async (host) => {
        for (const each of host.recovery.operations) recovered.add(each.outcome);
        expect(host.journal.unfinished()).toEqual([]);
        await expectSound(host, uuid);
        const stored = await life.storedKeys();
        expect(new Set(stored)).toEqual(new Set(secretsOf(host, uuid)));
        await (imagesType === "raw" ? expectOneKey(host, uuid) : undefined);
      });
      expect(await life.guest(uuid)).toBe("running");
      expect(await console.holds("/dev/vdb", text)).toBe(true);
      if (outcome) break;
    }
    expect(recovered).toContain("undone");
    expect(recovered).toContain("finished");
    await life.stop(uuid);
    await life.start(uuid);
    await console.ready();
    expect(await console.size("/dev/vdb")).toBe(BigInt(4 * MIB));
  },
  SWEEP_MS,
);
