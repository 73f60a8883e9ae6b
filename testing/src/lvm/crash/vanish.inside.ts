import { isLuksmithError, type OpContext } from "@luksmith/core";
import {
  abandonMigration,
  createInstance,
  deleteById,
  findInstance,
  migrateLegacy,
  openLegacy,
  rekeyDisks,
  resizeDisk,
  snapshotDisk,
  verifyDisks,
  type WritableHost,
} from "@luksmith/core/host";
import { expect, test } from "vitest";
import { mappingOf, nth, plainHost, plainInstance, sha256, tool } from "../../legacy/inside/plain-host.ts";
import { guestDigest } from "../../legacy/plain-record.ts";
import { TempHost } from "../../temp-host.ts";
import { testContext } from "../../workspace.ts";
import { cryptMappings } from "../inside/volume-host.ts";
import { failingGroup, type FailingGroup } from "./failing-group.ts";

const MIB = 1 << 20;
const LONG = { timeout: 300_000 };
/** What it may say: that the storage does not answer, never that there is nothing. */
const AWAY = /^(IoError|VolumeGroupUnusable|CommandFailed|DiskInUse|DiskNotFound)$/;

/** The refusal, which must name the disk or the group, and what to do. */
async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!isLuksmithError(error)) throw new Error(`must be refused, not ${String(error)}`, { cause: error });
  expect(error.message).toMatch(/disk|volume group|lvs|vgs|device/);
  return error.code;
}

/** A context under which the device goes as soon as an operation has come so far. */
function pullingAt(bytes: bigint, group: FailingGroup): { ctx: OpContext; pulled: () => boolean } {
  let pulled = false;
  const progress = ({ doneBytes }: { doneBytes: bigint }): void => {
    if (pulled || doneBytes < bytes) return;
    pulled = true;
    group.pull();
  };
  return { ctx: testContext({ progress }), pulled: () => pulled };
}

function volumesOf({ name }: FailingGroup): readonly string[] {
  return tool("lvs", ["--noheadings", "-o", "lv_name", name]).split(/\s+/).filter(Boolean);
}

async function storedKeys(host: WritableHost): Promise<readonly string[]> {
  const { keys } = await host.services();
  const found: string[] = [];
  for await (const { id } of keys.list?.({}, testContext()) ?? []) found.push(id);
  return found;
}

function luksHost({ name }: FailingGroup): TempHost {
  return new TempHost({
    imagesType: "lvm",
    plugins: ["@luksmith/backend-lvm", "@luksmith/keymgr-local"],
    sections: ["[libvirt]", `images_volume_group = ${name}`, "volume_clear = none"],
  });
}

test.each([
  { kind: "in LUKS", hostOn: luksHost, encrypted: true },
  { kind: "of dm-crypt's plain mode", hostOn: plainHostOn, encrypted: false },
])(
  "a disk $kind whose device vanishes while it is filled is taken back when the device is there again",
  LONG,
  async ({ hostOn, encrypted }) => {
    using group = failingGroup();
    const on = hostOn(group);
    const request = await on.request(on.addImage(8 * MIB), { encrypted });
    const { ctx, pulled } = pullingAt(0n, group);
    {
      await using host = await on.write();
      expect(await refused(createInstance(host, request, ctx))).toBe("EphemeralEncryptionCleanupFailed");
      expect(pulled()).toBe(true);
      expect(host.inventory.instances()).toEqual([]);
      // What could not be taken back is not forgotten, and its key is kept for as long.
      expect(host.journal.unfinished()).toHaveLength(1);
      expect(await storedKeys(host)).toHaveLength(1);
    }
    {
      // Still away: recovery cannot do it either, and says so.
      await using host = await on.write();
      expect(host.recovery.operations.map(({ outcome }) => outcome)).not.toContain("undone");
      expect(host.journal.unfinished()).toHaveLength(1);
    }
    group.plugIn();
    await using host = await on.write();
    // What is said outside is the message alone.
    expect(host.recovery.operations.map(({ outcome, error }) => error ?? outcome).join()).toBe("undone");
    expect([...volumesOf(group), ...cryptMappings(group.name), ...(await storedKeys(host))]).toEqual([]);
    const made = await createInstance(host, request, testContext());
    await deleteById(host, made.uuid, { forgetMissing: false }, testContext());
  },
);

test(
  "a disk whose device is away keeps key, size and content: everything is refused, and goes on afterwards",
  LONG,
  async () => {
    using group = failingGroup();
    const on = luksHost(group);
    const ctx = testContext();
    await using host = await on.write();
    const { uuid } = await createInstance(host, await on.request(on.addImage(4 * MIB)), ctx);
    const before = await findInstance(host, uuid);
    const keys = await storedKeys(host);
    group.pull();
    const target = `${on.root}/copy`;
    const copy = { disk: "disk", target, format: "raw", plain: false } as const;
    for (const work of [
      () => resizeDisk(host, before, "disk", BigInt(6 * MIB), ctx),
      () => rekeyDisks(host, before, undefined, ctx),
      () => snapshotDisk(host, before, copy, ctx),
      () => deleteById(host, uuid, { forgetMissing: false }, ctx),
      // Not gone: it cannot be seen.
      () => deleteById(host, uuid, { forgetMissing: true }, ctx),
    ]) {
      expect(await refused(work())).toMatch(AWAY);
      expect((await findInstance(host, uuid)).disks).toEqual(before.disks);
      expect(await storedKeys(host)).toEqual(expect.arrayContaining([...keys]));
    }
    const [away] = await verifyDisks(host, uuid, ctx);
    expect(away?.disks.map(({ ok }) => ok)).toEqual([false]);
    group.plugIn();
    const [back] = await verifyDisks(host, uuid, ctx);
    expect(back?.disks.map(({ ok }) => ok)).toEqual([true]);
    await resizeDisk(host, await findInstance(host, uuid), "disk", BigInt(6 * MIB), ctx);
    await deleteById(host, uuid, { forgetMissing: false }, ctx);
    expect([...volumesOf(group), ...(await storedKeys(host))]).toEqual([]);
  },
);

test(
  "a migration whose device vanishes half-way loses nothing and goes on when it is there again",
  LONG,
  async () => {
    using group = failingGroup();
    const on = plainHostOn(group);
    await using host = await on.write();
    const { uuid, disks } = await plainInstance(on, host, { mib: 4 });
    const mapping = `/dev/mapper/${mappingOf(nth(disks).path)}`;
    const content = sha256(mapping);
    const migrate = (ctx: OpContext) =>
      migrateLegacy(host, uuid, { acceptUnproven: false, pieceBytes: BigInt(MIB) }, ctx);
    const { ctx, pulled } = pullingAt(BigInt(MIB), group);
    expect(await refused(migrate(ctx))).toBe("IoError");
    expect(pulled()).toBe(true);
    expect(nth((await findInstance(host, uuid)).disks).encryption?.format).toBe("plain");
    expect(await refused(migrate(testContext()))).toMatch(AWAY);
    group.plugIn();
    // The old disk is what it was, under the old key; the migration begins anew, or would have gone on.
    await abandonMigration(host, uuid, testContext());
    expect(await openLegacy(host, uuid, testContext())).toMatchObject([{ error: undefined }]);
    expect(sha256(mapping)).toBe(content);
    await migrate(testContext());
    expect(await guestDigest(host, uuid, testContext())).toBe(content);
    expect(nth((await findInstance(host, uuid)).disks).encryption?.format).toBe("luks");
    const [report] = await verifyDisks(host, uuid, testContext());
    expect(report?.disks.map(({ ok }) => ok)).toEqual([true]);
    await deleteById(host, uuid, { forgetMissing: false }, testContext());
    expect([...volumesOf(group), ...(await storedKeys(host))]).toEqual([]);
  },
);

function plainHostOn({ name }: FailingGroup): TempHost {
  return plainHost({ group: name });
}
