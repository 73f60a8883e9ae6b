import { closeSync, openSync, writeSync } from "node:fs";
import {
  abandonMigration,
  deleteById,
  findInstance,
  type InstanceRecord,
  migrateLegacy,
  openLegacy,
  previewMigration,
  verifyDisks,
  type WritableHost,
} from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { Random } from "../../random.ts";
import { passphraseOf, type TempHost } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";
import { migrateKilled } from "../migrate-killed.ts";
import {
  GROUP,
  holdsCanary,
  mappingOf,
  nth,
  opened,
  physicalVolume,
  plainHost,
  plainInstance,
  refusal,
  sha256,
  tool,
  volumes,
} from "./plain-host.ts";

const KILLS = Number(process.env["LUKSMITH_KILLS"] ?? 2);
/** What one process has compiled the next need not. */
const COMPILED = { NODE_COMPILE_CACHE: "/tmp/luksmith-compile-cache" };
const PROVEN = { acceptUnproven: false };

/** What a guest would see, by the kernel and the passphrase that the key manager has; cryptsetup opens it. */
async function guestSha256(host: WritableHost, uuid: string): Promise<string> {
  const { disks } = await findInstance(host, uuid);
  const disk = nth(disks);
  if (disk?.encryption?.format === "plain") return sha256(`/dev/mapper/${mappingOf(disk.path)}`);
  using passphrase = await passphraseOf(host, disk.encryption!.secretId);
  const text = passphrase.use((bytes) => Buffer.from(bytes));
  tool("cryptsetup", ["open", "--type=luks1", "--key-file=-", disk.path, `open-${uuid}`], text);
  try {
    return sha256(`/dev/mapper/open-${uuid}`, disk.virtualSize);
  } finally {
    tool("cryptsetup", ["close", `open-${uuid}`]);
  }
}

function own(uuid: string): readonly string[] {
  return volumes().filter((name) => name.startsWith(uuid));
}

describe("a migration", () => {
  test("gives each disk a container, a passphrase and a key of its own, and takes the old ones away", async () => {
    const on = plainHost();
    const ctx = testContext();
    await using host = await opened(on, ctx);
    const before = await plainInstance(on, host, { swap: 2 });
    const { uuid, disks } = before;
    const made = await guestSha256(host, uuid);
    const plan = await previewMigration(host, uuid, PROVEN, ctx);
    expect(plan.map(({ evidence }) => evidence)).toEqual([
      expect.stringContaining("shows the same: it begins with a partition table"),
      expect.stringContaining("swap space"),
    ]);
    expect(own(uuid)).toEqual([`${uuid}_disk`, `${uuid}_disk.swap`]);

    const migrated = await migrateLegacy(host, uuid, PROVEN, ctx);
    expect(own(uuid)).toEqual([`${uuid}_disk`, `${uuid}_disk.swap`]);
    expect(migrated.map(({ path }) => path)).toEqual(disks.map(({ path }) => path));
    expect(new Set(migrated.map(({ encryption }) => encryption!.secretId)).size).toBe(2);
    expect(tool("dmsetup", ["ls", "--target", "crypt"])).not.toContain(uuid);
    expect(await guestSha256(host, uuid)).toBe(made);
    const report = nth(await verifyDisks(host, uuid, ctx));
    expect(report.disks.every(({ ok }) => ok)).toBe(true);
    const { diskInfo, blockDeviceInfo } = await findInstance(host, uuid);
    expect(JSON.stringify([diskInfo, blockDeviceInfo])).not.toMatch(/plain|ripemd160/);
    expect(await refusal(passphraseOf(host, nth(disks).encryption!.secretId))).toMatchObject({
      code: "EphemeralEncryptionSecretNotFound",
    });
    expect(holdsCanary(physicalVolume())).toBe(false);
    expect(await refusal(migrateLegacy(host, uuid, PROVEN, ctx))).toMatchObject({
      code: "UnsupportedOperation",
    });
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
    expect(own(uuid)).toEqual([]);
  });

  test("is refused before anything changes", async () => {
    const on = plainHost();
    const ctx = testContext();
    await using host = await opened(on, ctx);
    const { uuid, disks } = await plainInstance(on, host, { mib: 4 });
    const disk = nth(disks);
    const mapping = `/dev/mapper/${mappingOf(disk.path)}`;
    const made = sha256(mapping);
    const services = await host.services();
    const state = () => [own(uuid), host.inventory.instance(uuid), sha256(mapping)];
    const before = state();
    const expectRefusal = async (code: string): Promise<void> => {
      const error = await refusal(migrateLegacy(host, uuid, PROVEN, ctx));
      expect([error.code, error.message.length > 60]).toEqual([code, true]);
      expect(state()).toEqual(before);
    };

    const guest = openSync(mapping, "r");
    await expectRefusal("DiskInUse");
    closeSync(guest);

    const free = Number(tool("vgs", ["--noheadings", "--units", "m", "--nosuffix", "-o", "vg_free", GROUP]));
    tool("lvcreate", ["-q", "-y", "-Wn", "-L", `${free - 2}M`, "-n", "filler", GROUP]);
    await expectRefusal("NoSpace");
    tool("lvremove", ["-q", "-f", `${GROUP}/filler`]);

    // A wrong hash that was recorded, with the mapping open and closed: never taken for right.
    const options = { cipher: "aes-xts-plain64", key_size: 512, hash: "sha256" };
    const wrong = { ...disk, encryption: { ...disk.encryption!, options } };
    host.inventory.transaction(() => host.inventory.replaceDisk(wrong));
    const error = await refusal(migrateLegacy(host, uuid, PROVEN, ctx));
    expect(error.code).toBe("DiskNotProven");
    tool("cryptsetup", ["remove", mappingOf(disk.path)]);
    expect((await refusal(migrateLegacy(host, uuid, PROVEN, ctx))).code).toBe("DiskNotProven");
    expect(own(uuid)).toEqual([`${uuid}_disk`]);
    host.inventory.transaction(() => host.inventory.replaceDisk(disk));
    await openLegacy(host, uuid, ctx);
    expect(sha256(mapping)).toBe(made);

    using key = await services.keys.get({ id: disk.encryption!.secretId! }, ctx);
    await services.keys.delete({ id: disk.encryption!.secretId! }, ctx);
    expect(key.length).toBe(128);
    await expectRefusal("EphemeralEncryptionSecretNotFound");
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
  });

  test("goes on after a cut, notices what was written meanwhile, and can be abandoned", async () => {
    const on = plainHost();
    const ctx = testContext();
    await using host = await opened(on, ctx);
    const { uuid, disks } = await plainInstance(on, host, { mib: 6 });
    const cut = async (): Promise<void> => {
      const stop = new AbortController();
      const progress = ({ doneBytes }: { doneBytes: bigint }): void => {
        if (doneBytes >= 3n << 20n) stop.abort(new Error("enough"));
      };
      const pieces = { ...PROVEN, pieceBytes: 1n << 20n };
      const cancelled = testContext({ signal: stop.signal, progress });
      await refusal(migrateLegacy(host, uuid, pieces, cancelled));
    };
    await cut();
    expect(nth(host.inventory.reencryptions.of(uuid)).copied).toBe(3n << 20n);
    expect(await refusal(deleteById(host, uuid, { forgetMissing: false }, ctx))).toMatchObject({
      code: "InstanceBusy",
    });
    await abandonMigration(host, uuid, ctx);
    expect(own(uuid)).toEqual([`${uuid}_disk`]);

    await cut();
    // Somebody writes to what was copied already.
    await openLegacyBehind(host, uuid);
    const device = openSync(`/dev/mapper/${mappingOf(nth(disks).path)}`, "r+");
    writeSync(device, "written meanwhile", 70_000);
    closeSync(device);
    const made = sha256(`/dev/mapper/${mappingOf(nth(disks).path)}`);
    expect(await refusal(migrateLegacy(host, uuid, PROVEN, ctx))).toMatchObject({ code: "DiskNotProven" });
    await migrateLegacy(host, uuid, PROVEN, ctx);
    expect(await guestSha256(host, uuid)).toBe(made);
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
  });

  test(
    `killed at ${KILLS} random moments, ends with the same content, and nothing in clear`,
    { timeout: 900_000 },
    async () => {
      const on = plainHost();
      const chance = new Random(Number(process.env["LUKSMITH_SEED"] ?? 1));
      let kills = 0;
      let longest = 0;
      while (kills < KILLS) {
        const { uuid, made } = await fresh(on);
        for (;;) {
          // At first nobody knows how long it takes.
          const after = longest === 0 ? undefined : chance.next() * longest;
          const { killed, tookMs } = await migrateKilled(
            on.configFile,
            uuid,
            kills < KILLS ? after : undefined,
            COMPILED,
          );
          if (!killed) {
            longest = Math.max(longest, tookMs);
            break;
          }
          kills += 1;
        }
        await using host = await opened(on);
        const { disks } = await findInstance(host, uuid);
        expect(disks.map(({ encryption }) => encryption!.format)).toEqual(["luks"]);
        expect(await guestSha256(host, uuid)).toBe(made);
        expect(own(uuid)).toEqual([`${uuid}_disk`]);
        await deleteById(host, uuid, { forgetMissing: false }, testContext());
        expect(await secretCount(host)).toBe(0);
      }
      expect(holdsCanary(physicalVolume())).toBe(false);
    },
  );
});

async function fresh(on: TempHost): Promise<{ uuid: string; made: string }> {
  await using host = await opened(on);
  const { uuid }: InstanceRecord = await plainInstance(on, host, { mib: 6 });
  return { uuid, made: await guestSha256(host, uuid) };
}

async function secretCount(host: WritableHost): Promise<number> {
  const { keys } = await host.services();
  let count = 0;
  for await (const _each of keys.list?.({}, testContext()) ?? []) count += 1;
  return count;
}

/** As Nova would, which knows nothing of a migration. */
async function openLegacyBehind(host: WritableHost, uuid: string): Promise<void> {
  const { disks } = await findInstance(host, uuid);
  const services = await host.services();
  for (const disk of disks) await services.backend(disk.backend).image(disk).activate(testContext());
}
