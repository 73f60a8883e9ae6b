import { randomUUID } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  createInstance,
  deleteById,
  findInstance,
  isLuksmithError,
  resizeDisk,
  snapshotDisk,
  verifyDisks,
} from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectRefusal } from "./expect-refusal.ts";
import { instanceRequest, type RequestKnobs } from "./request-json.ts";
import { runTool } from "./run-tool.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { directoriesBelow, treeOf } from "./tree.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** Everything but what an open host writes for itself. */
function worldOf(temp: TempHost): ReadonlyMap<string, string> {
  const own = /luksmith\.sqlite|keys\.sqlite|lock|key-encryption-key/;
  return new Map([...treeOf(temp.root)].filter(([path]) => !own.test(path)));
}

async function secretsOf(temp: TempHost): Promise<readonly string[]> {
  await using host = await temp.write();
  const ids: string[] = [];
  for await (const { id } of (await host.services()).keys.list?.({}, testContext()) ?? []) ids.push(id);
  return ids.toSorted();
}

/** How `act` was refused, code and category; fails unless files and secrets are as before. */
async function refused(temp: TempHost, act: () => Promise<unknown>): Promise<readonly [string, string]> {
  const secrets = await secretsOf(temp);
  const world = worldOf(temp);
  const error = await act().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(worldOf(temp)).toEqual(world);
  expect(await secretsOf(temp)).toEqual(secrets);
  if (!isLuksmithError(error)) throw new Error(`must be refused, not ${String(error)}`, { cause: error });
  return [error.code, error.category];
}

async function create(temp: TempHost, image: string, knobs: RequestKnobs = {}): Promise<string> {
  await using host = await temp.write();
  return (await createInstance(host, await temp.request(image, knobs), testContext())).uuid;
}

describe("invariant 6: an unsupported request is refused before anything changes", () => {
  test.each(["plain", "luksv2"])("encryption format %s", async (format) => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const act = () => create(temp, image, { format, ephemeral: 1, swap: 4 });
    expect(await refused(temp, act)).toEqual(["UnsupportedEncryptionFormat", "unsupported"]);
  });

  test("an unknown guest_format", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const act = () => create(temp, image, { ephemeral: 1, guestFormat: "btrfs" });
    expect(await refused(temp, act)).toEqual(["UnsupportedGuestFormat", "unsupported"]);
  });

  test("every disk of an encrypted instance is encrypted, ephemeral and swap included", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    await using host = await temp.write();
    const request = await temp.request(image, { ephemeral: 1, swap: 4 });
    const { disks } = await createInstance(host, request, testContext());
    expect(disks.map(({ name }) => name)).toEqual(["disk", "disk.eph0", "disk.swap"]);
    for (const { path, encryption } of disks) {
      expect(encryption?.format).toBe("luks");
      expect(beginOf(path)).toBe("LUKS\xba\xbe");
    }
    // Invariant 3.
    expect(new Set(disks.map(({ encryption }) => encryption?.secretId)).size).toBe(3);
  });
});

describe("invariant 7: an image is what it is declared to be", () => {
  test("one that says it is qcow2 is no raw image", async () => {
    const temp = tempHost();
    const id = randomUUID();
    await runTool("qemu-img", ["create", "-q", "-f", "qcow2", temp.imageFile(id), "1M"]);
    expect(await refused(temp, () => create(temp, id))).toEqual(["ImageFormatMismatch", "input"]);
  });

  test.each(["qcow2", "vmdk", "vhdx"])("disk_format %s is not filled from as yet", async (diskFormat) => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    expect(await refused(temp, () => create(temp, image, { diskFormat }))).toEqual([
      "UnsupportedImageFormat",
      "unsupported",
    ]);
  });

  test("one that is larger than the flavor's disk does not fit", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    truncateSync(temp.imageFile(image), 1024 * MIB + 512);
    await expectRefusal(() => create(temp, image, { disk: 1 }), "FlavorDiskSmallerThanImage", "input");
    expect(directoriesBelow(temp.instancesPath)).toEqual([]);
    expect(await secretsOf(temp)).toEqual([]);
  });

  test("one of another size than declared is refused", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const request = await temp.request(image);
    truncateSync(temp.imageFile(image), MIB - 512);
    const act = async (): Promise<unknown> => {
      await using host = await temp.write();
      return await createInstance(host, request, testContext());
    };
    expect(await refused(temp, act)).toEqual(["ImageUnacceptable", "input"]);
  });

  test("a link, a directory and nothing are no images", async () => {
    const temp = tempHost();
    const [link, directory, missing] = [randomUUID(), randomUUID(), randomUUID()];
    symlinkSync(temp.configFile, temp.imageFile(link));
    mkdirSync(temp.imageFile(directory));
    const act = (image: string) => async (): Promise<unknown> => {
      await using host = await temp.write();
      return await createInstance(host, await instanceRequest({ image }), testContext());
    };
    expect(await refused(temp, act(link))).toEqual(["ImageUnacceptable", "input"]);
    expect(await refused(temp, act(directory))).toEqual(["ImageUnacceptable", "input"]);
    expect(await refused(temp, act(missing))).toEqual(["ImageNotFound", "not-found"]);
  });
});

describe("invariant 4: unreadable is not blank", () => {
  test("a file under a disk's name is not touched", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const instance = randomUUID();
    mkdirSync(join(temp.instancesPath, instance));
    writeFileSync(join(temp.instancesPath, instance, "disk.swap"), "somebody else's");
    expect(await refused(temp, () => create(temp, image, { instance, swap: 4 }))).toEqual([
      "DiskExists",
      "conflict",
    ]);
  });

  test("a link under a disk's name is not followed", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const instance = randomUUID();
    mkdirSync(join(temp.instancesPath, instance));
    symlinkSync("/nowhere", join(temp.instancesPath, instance, "disk"));
    expect(await refused(temp, () => create(temp, image, { instance }))).toEqual(["DiskExists", "conflict"]);
  });

  test("a disk that was replaced by another file is neither deleted, resized nor copied", async () => {
    const temp = tempHost();
    const id = await create(temp, temp.addImage(MIB), { swap: 4 });
    const disk = join(temp.instancesPath, id, "disk");
    writeFileSync(`${disk}.new`, Buffer.alloc(4 * MIB, "somebody else's"));
    renameSync(`${disk}.new`, disk);
    for (const act of actsOn(temp, id))
      expect(await refused(temp, act)).toEqual(["DiskReplaced", "integrity"]);
    expect(await verified(temp, id)).toBe(false);
  });

  test("a disk of another instance under this one's name is not deleted", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const [one, other] = [await create(temp, image), await create(temp, image)];
    const path = (id: string): string => join(temp.instancesPath, id, "disk");
    renameSync(path(other), path(one));
    for (const act of actsOn(temp, one))
      expect(await refused(temp, act)).toEqual(["DiskReplaced", "integrity"]);
  });

  test.each([
    ["overwritten", (path: string) => overwrite(path)],
    ["cut short", (path: string) => truncateSync(path, 1000)],
    ["empty", (path: string) => truncateSync(path, 0)],
  ])(
    "a header that is %s fails verify, resize and snapshot; delete removes the very file made here",
    async (_, damage) => {
      const temp = tempHost();
      const id = await create(temp, temp.addImage(MIB));
      damage(join(temp.instancesPath, id, "disk"));
      expect(await verified(temp, id)).toBe(false);
      const [, resize, snapshot] = actsOn(temp, id);
      for (const act of [resize, snapshot]) {
        const world = worldOf(temp);
        await expect(act?.()).rejects.toMatchObject({ category: "integrity" });
        expect(worldOf(temp)).toEqual(world);
      }
      await using host = await temp.write();
      await deleteById(host, id, { forgetMissing: false }, testContext());
      expect(host.inventory.instances()).toEqual([]);
    },
  );
});

describe("a key manager that cannot answer", () => {
  test("a missing key-encryption key refuses a create and says which; nothing changes", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    await create(temp, image);
    rmSync(join(temp.statePath, "key-encryption-key"));
    const world = worldOf(temp);
    await expectRefusal(() => create(temp, image), "KeyEncryptionKeyMissing", "config");
    expect(worldOf(temp)).toEqual(world);
  });

  test("a wrong key-encryption key refuses a create; an existing disk fails verify and stays", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const id = await create(temp, image);
    writeFileSync(join(temp.statePath, "key-encryption-key"), Buffer.alloc(32, 7), { mode: 0o600 });
    const world = worldOf(temp);
    await expectRefusal(() => create(temp, image), "KeyEncryptionKeyWrong", "integrity");
    expect(await verified(temp, id)).toBe(false);
    expect(worldOf(temp)).toEqual(world);
  });

  test("invariant 5: a delete that cannot reach it removes the disk, is finished later, and says so", async () => {
    const temp = tempHost();
    const id = await create(temp, temp.addImage(MIB));
    const key = join(temp.statePath, "key-encryption-key");
    const bytes = readFileSync(key);
    rmSync(key);
    const act = async (): Promise<unknown> => {
      await using host = await temp.write();
      return await deleteById(host, id, { forgetMissing: false }, testContext());
    };
    await expectRefusal(act, "EphemeralEncryptionCleanupFailed", "unavailable");
    writeFileSync(key, bytes, { mode: 0o600 });
    await using host = await temp.write();
    expect(host.recovery.operations.map(({ outcome }) => outcome)).toEqual(["finished"]);
    expect(host.inventory.instances()).toEqual([]);
    const left: string[] = [];
    for await (const info of (await host.services()).keys.list?.({}, testContext()) ?? []) left.push(info.id);
    expect(left).toEqual([]);
  });
});

describe("names that do not exist, and sizes that are none", () => {
  test("are refused with what there is", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const id = await create(temp, image);
    await using host = await temp.write();
    const instance = await findInstance(host, id);
    const ctx = testContext();
    await expectRefusal(() => findInstance(host, randomUUID()), "InstanceNotFound", "not-found");
    const nothing = await expectRefusal(
      () => resizeDisk(host, instance, "disk.eph7", 512n, ctx),
      "DiskNotFound",
    );
    expect(nothing.message).toContain("it has disk");
    await expectRefusal(() => resizeDisk(host, instance, "disk", 2n ** 60n, ctx), "InvalidRequest", "input");
    await expectRefusal(() => resizeDisk(host, instance, "disk", BigInt(2 * MIB + 1), ctx), "InvalidRequest");
    await expectRefusal(() => resizeDisk(host, instance, "disk", 512n, ctx), "CannotShrink", "unsupported");
    const again = async (): Promise<unknown> =>
      await createInstance(host, await temp.request(image, { instance: id }), ctx);
    await expectRefusal(again, "InstanceExists", "conflict");
    const taken = { disk: "disk", target: temp.configFile, format: "raw", plain: false } as const;
    await expectRefusal(() => snapshotDisk(host, instance, taken, ctx), "TargetExists", "conflict");
    expect(host.journal.unfinished()).toEqual([]);
    expect((await verifyDisks(host, id, ctx))[0]?.disks[0]?.ok).toBe(true);
  });
});

/** Delete, resize, snapshot. */
function actsOn(temp: TempHost, id: string): readonly (() => Promise<unknown>)[] {
  const target = join(temp.root, "copy");
  return [
    async () => {
      await using host = await temp.write();
      return await deleteById(host, id, { forgetMissing: false }, testContext());
    },
    async () => {
      await using host = await temp.write();
      return await resizeDisk(host, await findInstance(host, id), "disk", BigInt(8 * MIB), testContext());
    },
    async () => {
      await using host = await temp.write();
      const request = { disk: "disk", target, format: "raw", plain: false } as const;
      return await snapshotDisk(host, await findInstance(host, id), request, testContext());
    },
  ];
}

async function verified(temp: TempHost, id: string): Promise<boolean> {
  await using host = await temp.write();
  const reports = await verifyDisks(host, id, testContext());
  return reports.every(({ disks }) => disks.every(({ ok }) => ok));
}

function beginOf(path: string): string {
  const bytes = Buffer.alloc(6);
  const fd = openSync(path, "r");
  readSync(fd, bytes);
  closeSync(fd);
  return bytes.toString("latin1");
}

function overwrite(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0x5a, 0, 592);
  writeFileSync(path, bytes);
}
