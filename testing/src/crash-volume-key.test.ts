import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Passphrase } from "@luksmith/core";
import { deleteById, listReceipts, rekeyVolumeKeys, verifyDisks } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectGood } from "./cache-host.ts";
import { runChild } from "./child/run-child.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { cryptsetupOpens, luksDump } from "./oracles/cryptsetup.ts";
import { qemuDecrypt } from "./oracles/qemu.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { addDisk, type DiskHost, diskHost } from "./sweep-disk.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

async function passphraseNow({ temp }: DiskHost, id: string): Promise<Passphrase> {
  await using host = await temp.read();
  return await passphraseOf(host, host.inventory?.instance(id)?.disks[0]?.encryption?.secretId);
}

async function contentOf(path: string, passphrase: Passphrase): Promise<string> {
  const plain = join(tempDirectory(), "plain");
  await qemuDecrypt({ path, format: "raw", passphrase }, plain);
  return await digestOf(plain);
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

  test("killed at any instant goes on, or waits to, with the content as it was", async () => {
    const host = diskHost("raw", 3 * MIB);
    const { id, path } = await addDisk(host);
    const action = { kind: "volume-key", id } as const;
    let rounds = 0;
    for (let killAt = 1; ; killAt++, rounds++) {
      const outcome = await runChild({ configFile: host.temp.configFile, action, killAt });
      await using writable = await host.temp.write();
      expect(writable.recovery.operations.filter((each) => each.outcome === "failed")).toEqual([]);
      const [disk] = writable.inventory.instance(id)?.disks ?? [];
      using passphrase = await passphraseOf(writable, disk?.encryption?.secretId);
      expect(await contentOf(path, passphrase), `killed at ${killAt}`).toBe(host.sha256);
      expect(outcome?.error).toBeUndefined();
      if (outcome) break;
      // A killed one that had begun to copy keeps others away until it has gone on.
      if (writable.inventory.reencryptions.of(id).length > 0) {
        const refused = () => deleteById(writable, id, { forgetMissing: false }, testContext());
        await expectRefusal(refused, "InstanceBusy");
      }
    }
    expect(rounds).toBeGreaterThan(8);
    await using writable = await host.temp.write();
    await expectGood(host.temp, writable, 1);
    expect(writable.inventory.reencryptions.of(id)).toEqual([]);
  });

  test("is given up when told so, and refused where a disk is not in one piece", async () => {
    const host = diskHost("raw", 3 * MIB);
    const { id, path } = await addDisk(host);
    const before = readFileSync(path);
    const action = { kind: "volume-key", id } as const;
    const { configFile } = host.temp;
    // Kill where the row is there and the swap has not begun.
    for (let killAt = 1; ; killAt++) {
      expect(await runChild({ configFile, action, killAt })).toBeUndefined();
      await using writable = await host.temp.write();
      if (writable.inventory.reencryptions.of(id).length > 0) break;
    }
    await using writable = await host.temp.write();
    await rekeyVolumeKeys(writable, id, { disk: undefined, abandon: true }, testContext());
    expect(readFileSync(path).equals(before)).toBe(true);
    await expectGood(host.temp, writable, 1);

    const other = diskHost("qcow2", MIB);
    const made = await addDisk(other);
    await using qcow2 = await other.temp.write();
    const refused = () => rekeyVolumeKeys(qcow2, made.id, { disk: undefined, abandon: false }, testContext());
    await expectRefusal(refused, "UnsupportedOperation");
  });
});
