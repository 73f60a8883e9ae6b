import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Passphrase } from "@luksmith/core";
import { deleteById, listReceipts, rekeyVolumeKeys, verifyDisks } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectGood, type ImagesType } from "./cache-host.ts";
import { runChild } from "./child/run-child.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
import { qemuCheck, qemuDecrypt, qemuImgInfo, qemuIo, qemuOpens } from "./oracles/qemu.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { addDisk, type DiskHost, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
/** `LUKSMITH_SWEEP=1`: each way to go on, on each. */
const SWEEP = process.env["LUKSMITH_SWEEP"] !== undefined;

async function passphraseNow({ temp }: DiskHost, id: string): Promise<Passphrase> {
  await using host = await temp.read();
  return await passphraseOf(host, host.inventory?.instance(id)?.disks[0]?.encryption?.secretId);
}

async function contentOf(path: string, passphrase: Passphrase, format: ImagesType = "raw"): Promise<string> {
  const plain = join(tempDirectory(), "plain");
  await qemuDecrypt({ path, format, passphrase }, plain);
  const digest = await digestOf(plain);
  rmSync(plain);
  return digest;
}

/** Has a guest write here and there: what a qcow2 disk stores itself then, its base does not know. The digest of all. */
async function writeSome({ temp }: DiskHost, id: string, path: string, format: ImagesType): Promise<string> {
  await using host = await temp.read();
  using passphrase = await passphraseOf(host, host.inventory?.instance(id)?.disks[0]?.encryption?.secretId);
  const writes = ["write -P 0xa5 1M 200k", "write -P 0x5a 0 4k", "write -z 2M 128k", "write -P 7 2300k 1k"];
  await qemuIo({ path, format, passphrase }, writes);
  return await contentOf(path, passphrase, format);
}

describe("another volume key", { timeout: 600_000 }, () => {
  test("leaves nothing that the old header or passphrase opens, and the guest's bytes as they were", async () => {
    const host = diskHost("raw", 3 * MIB);
    const { id, path } = await addDisk(host);
    const old = join(tempDirectory(), "old");
    copyFileSync(path, old);
    using before = await passphraseNow(host, id);
    const digest = (await luksDump(path)).get("MK digest");
    {
      await using writable = await host.temp.write();
      await rekeyVolumeKeys(writable, id, { disk: undefined, abandon: false }, testContext());
      const [report] = await verifyDisks(writable, id, testContext());
      expect(report?.disks.every(({ ok }) => ok)).toBe(true);
      await expectGood(host.temp, writable, 1);
      const [receipt] = await listReceipts(writable, id);
      expect(receipt?.receipt).toMatchObject({
        operation: { kind: "swap" },
        erasure: { proof: { stored_passphrase: "refused" } },
        secret: { deleted_at: expect.any(String) },
      });
    }
    using after = await passphraseNow(host, id);
    expect(await contentOf(path, after)).toBe(host.sha256);
    expect(await cryptsetupOpens(path, before)).toBe(false);
    expect((await luksDump(path)).get("MK digest")).not.toBe(digest);
    // Whoever has kept the old header and passphrase reads nothing of the new disk.
    const forged = Buffer.concat([
      readFileSync(old).subarray(0, 2 * MIB),
      readFileSync(path).subarray(2 * MIB),
    ]);
    expect(
      readFileSync(old)
        .subarray(2 * MIB)
        .equals(forged.subarray(2 * MIB)),
    ).toBe(false);
  });

  test.each([
    ["raw", "goes on"],
    ["qcow2", "begins anew"],
    ...(SWEEP
      ? ([
          ["raw", "begins anew"],
          ["qcow2", "goes on"],
        ] as const)
      : []),
  ] as const)("on %s, killed at any instant, %s, with the content as it was", async (format, then) => {
    const host = diskHost(format, 3 * MIB);
    const { id, path } = await addDisk(host);
    const sha256 = await writeSome(host, id, path, format);
    const action = { kind: "volume-key", id } as const;
    const digests = new Set<string | undefined>();
    let rounds = 0;
    for (let killAt = 1; ; killAt++, rounds++) {
      const outcome = await runChild({ configFile: host.temp.configFile, action, killAt });
      await using writable = await host.temp.write();
      expect(writable.recovery.operations.filter((each) => each.outcome === "failed")).toEqual([]);
      const [disk] = writable.inventory.instance(id)?.disks ?? [];
      using passphrase = await passphraseOf(writable, disk?.encryption?.secretId);
      expect(await contentOf(path, passphrase, format), `killed at ${killAt}`).toBe(sha256);
      expect(outcome?.error).toBeUndefined();
      digests.add(disk?.encryption?.secretId ?? undefined);
      if (outcome) break;
      // A killed one that had begun to copy keeps others away until it has gone on.
      if (writable.inventory.reencryptions.of(id).length > 0) {
        const refused = () => deleteById(writable, id, { forgetMissing: false }, testContext());
        await expectRefusal(refused, "InstanceBusy");
        const abandoned = { disk: undefined, abandon: true };
        if (then === "begins anew") await rekeyVolumeKeys(writable, id, abandoned, testContext());
      }
    }
    expect(rounds).toBeGreaterThan(8);
    expect(digests.size).toBeGreaterThan(1);
    await using writable = await host.temp.write();
    await expectGood(host.temp, writable, 1);
    expect(writable.inventory.reencryptions.of(id)).toEqual([]);
  });

  test("on qcow2 leaves base and allocation as they were, and QEMU finds nothing wrong", async () => {
    const host = diskHost("qcow2", 3 * MIB);
    const { id, path } = await addDisk(host);
    const sha256 = await writeSome(host, id, path, "qcow2");
    using before = await passphraseNow(host, id);
    const old = join(tempDirectory(), "old");
    copyFileSync(path, old);
    await using writable = await host.temp.write();
    const [disk] = await rekeyVolumeKeys(writable, id, { disk: undefined, abandon: false }, testContext());
    using after = await passphraseOf(writable, disk?.encryption?.secretId);
    expect(await contentOf(path, after, "qcow2")).toBe(sha256);
    await qemuCheck({ path, format: "qcow2", passphrase: after });
    expect(await qemuOpens({ path, format: "qcow2", passphrase: before })).toBe(false);
    const [was, is] = [readFileSync(old), readFileSync(path)];
    expect(is.length).toBe(was.length);
    // No cluster of the guest's is as it was, each is where it was.
    const [cluster, data] = [65_536, [] as number[]];
    for (let at = 0; at < is.length; at += cluster) {
      if (!is.subarray(at, at + cluster).equals(was.subarray(at, at + cluster))) data.push(at);
    }
    expect(data.length).toBeGreaterThan(5);
    const base = disk?.backing?.file;
    expect(base).toContain("_base");
    expect((await qemuImgInfo({ path, format: "qcow2", passphrase: after }))["backing-filename"]).toBe(base);
    await expectGood(host.temp, writable, 1);
  });

  test.each(["raw", "qcow2"] as const)("is given up when told so, on %s", async (format) => {
    const host = diskHost(format, 3 * MIB);
    const { id, path } = await addDisk(host);
    const action = { kind: "volume-key", id } as const;
    const { configFile } = host.temp;
    // Killed where the row is there and the swap has not begun.
    const whole = await runChild({ configFile, action });
    const killAt = (whole?.instants.indexOf("journal: done") ?? -1) + 1;
    expect(killAt).toBeGreaterThan(0);
    const before = readFileSync(path);
    expect(await runChild({ configFile, action, killAt })).toBeUndefined();
    await using writable = await host.temp.write();
    expect(writable.inventory.reencryptions.of(id)).toHaveLength(1);
    await rekeyVolumeKeys(writable, id, { disk: undefined, abandon: true }, testContext());
    expect(readFileSync(path).equals(before)).toBe(true);
    await expectGood(host.temp, writable, 1);
  });
});
