import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { deleteById, findInstance, resizeDisk, snapshotDisk } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import { expectRefusal } from "./expect-refusal.ts";
import { type TempHost, tempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";
import { createOn, refused, worldOf, verified } from "./refused.ts";

const MIB = 1024 * 1024;

describe("invariant 4: unreadable is not blank", () => {
  test("a file under a disk's name is not touched", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const instance = randomUUID();
    mkdirSync(join(temp.instancesPath, instance));
    writeFileSync(join(temp.instancesPath, instance, "disk.swap"), "somebody else's");
    expect(await refused(temp, () => createOn(temp, image, { instance, swap: 4 }))).toEqual([
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
    expect(await refused(temp, () => createOn(temp, image, { instance }))).toEqual([
      "DiskExists",
      "conflict",
    ]);
  });

  test("a disk that was replaced by another file is neither deleted, resized nor copied", async () => {
    const temp = tempHost();
    const id = await createOn(temp, temp.addImage(MIB), { swap: 4 });
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
    const [one, other] = [await createOn(temp, image), await createOn(temp, image)];
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
      const id = await createOn(temp, temp.addImage(MIB));
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
    await createOn(temp, image);
    rmSync(join(temp.statePath, "key-encryption-key"));
    const world = worldOf(temp);
    await expectRefusal(() => createOn(temp, image), "KeyEncryptionKeyMissing", "config");
    expect(worldOf(temp)).toEqual(world);
  });

  test("a wrong key-encryption key refuses a create; an existing disk fails verify and stays", async () => {
    const temp = tempHost();
    const image = temp.addImage(MIB);
    const id = await createOn(temp, image);
    writeFileSync(join(temp.statePath, "key-encryption-key"), Buffer.alloc(32, 7), { mode: 0o600 });
    const world = worldOf(temp);
    await expectRefusal(() => createOn(temp, image), "KeyEncryptionKeyWrong", "integrity");
    expect(await verified(temp, id)).toBe(false);
    expect(worldOf(temp)).toEqual(world);
  });

  test("invariant 5: a delete that cannot reach it removes the disk, is finished later, and says so", async () => {
    const temp = tempHost();
    const id = await createOn(temp, temp.addImage(MIB));
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

function overwrite(path: string): void {
  const bytes = readFileSync(path);
  bytes.fill(0x5a, 0, 592);
  writeFileSync(path, bytes);
}
