import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deleteById, type InstanceRecord, resumeGuests, snapshotDisk, spawnGuest } from "@luksmith/core/host";
import { startLibvirt, tinyGuest } from "@luksmith/testing-services";
import { beforeAll, expect, test } from "vitest";
import { addEncryptedImage, type EncryptedSource, requestOf } from "./encrypted-source.ts";
import { LifeHost } from "./life-host.ts";
import { qemuDecrypt, qemuImgInfo } from "./oracles/qemu.ts";
import { randomImage } from "./source-image.ts";
import { passphraseOf } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

beforeAll(async () => {
  await tinyGuest();
}, 300_000);

test("the key of an encrypted base is there for all guests on it, and goes with the last one", async () => {
  await using env = await startLibvirt();
  const life = new LifeHost("qcow2", env);
  const path = join(life.temp.root, "plain");
  randomImage(path, 2 << 20);
  const source = await addEncryptedImage(life.temp, "qcow2", { path });
  const spawn = async (from: EncryptedSource): Promise<InstanceRecord> => {
    const request = await requestOf(life.temp, from);
    const template = await life.template(request.server.id, "nothing");
    const spawned = await life.on((host) =>
      spawnGuest(host, request, { start: true, template }, testContext()),
    );
    return spawned.instance;
  };
  const [one, other] = [await spawn(source), await spawn(source)];
  const base = one.disks[0]?.source.backing?.secretId ?? "";
  const own = [one, other].map(({ disks }) => disks[0]?.encryption?.secretId ?? "");
  const given = async (): Promise<readonly string[]> => (await life.guestSecrets()).toSorted();
  const sorted = (...ids: readonly string[]): readonly string[] => ids.toSorted();
  expect(await given()).toEqual(sorted(base, ...own));

  // A copy of the running guest's disk stands alone, encrypted by a key of its own alone.
  for (const format of ["raw", "qcow2"] as const) {
    const target = join(life.temp.root, `copy.${format}`);
    const request = { disk: "disk", target, format, plain: false };
    const { uuid, encryption } = await life.on((host) => snapshotDisk(host, one, request, testContext()));
    await life.on(async (host) => {
      using passphrase = await passphraseOf(host, encryption?.secretId);
      expect(await qemuImgInfo({ path: target, format, passphrase })).not.toHaveProperty("backing-filename");
      await qemuDecrypt({ path: target, format, passphrase }, `${target}.plain`);
    });
    const plain = readFileSync(path);
    expect(readFileSync(`${target}.plain`).subarray(0, plain.length).equals(plain)).toBe(true);
    expect(readFileSync(target).includes(plain.subarray(0, 64))).toBe(false);
    await life.on((host) => deleteById(host, uuid, { forgetMissing: false }, testContext()));
  }
  expect(await given()).toEqual(sorted(base, ...own));

  await env.restart();
  expect(await given()).toEqual([]);
  expect(await life.on((host) => resumeGuests(host, testContext()))).toMatchObject([
    { outcome: "healed" },
    { outcome: "healed" },
  ]);
  expect(await given()).toEqual(sorted(base, ...own));

  await life.on((host) => deleteById(host, one.uuid, { forgetMissing: false }, testContext()));
  expect(await given()).toEqual(sorted(base, own[1] ?? ""));
  expect(await life.guest(other.uuid)).toBe("running");
  await life.on((host) => deleteById(host, other.uuid, { forgetMissing: false }, testContext()));
  expect(await given()).toEqual([]);
  // The image's own passphrase is its owner's.
  expect(await life.storedKeys()).toEqual([base]);
}, 120_000);
