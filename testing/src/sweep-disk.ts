import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openers } from "@luksmith/core";
import { createInstance } from "@luksmith/core/host";
import { expect } from "vitest";
import { cacheHost, expectGood, type ImagesType } from "./cache-host.ts";
import { runChild } from "./child/run-child.ts";
import type { Action } from "./child/scenario.ts";
import type { Swept } from "./crash-sweep.ts";
import { digestOf } from "./oracles/raw-bytes.ts";
import { qemuCheck, qemuDecrypt, type QemuInfo, qemuImgInfo } from "./oracles/qemu.ts";
import { randomImage } from "./source-image.ts";
import { tempDirectory } from "./temp-directory.ts";
import { passphraseOf, type TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

/** A host with one instance of one disk, filled from an image. */
export interface DiskHost {
  readonly temp: TempHost;
  readonly image: string;
  /** Of the image, which is what the guest sees. */
  readonly sha256: string;
}

export function diskHost(imagesType: ImagesType, bytes: number): DiskHost {
  const temp = cacheHost(imagesType);
  const image = temp.addImage(0);
  const sha256 = randomImage(temp.imageFile(image), bytes);
  return { temp, image, sha256 };
}

/** Makes an instance; its id and its disk's path. */
export async function addDisk({ temp, image }: DiskHost): Promise<{ id: string; path: string }> {
  await using host = await temp.write();
  const { uuid, disks } = await createInstance(host, await temp.request(image), testContext());
  return { id: uuid, path: disks[0]?.path ?? "" };
}

/** Opens the host, which recovers, and looks at the disk at `path` as QEMU sees it. */
export async function recoverDisk(
  { temp, sha256 }: DiskHost,
  path: string,
  count: number,
): Promise<readonly string[]> {
  await using host = await temp.write();
  const { operations } = host.recovery;
  expect(operations.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  await expectGood(temp, host, count);
  const disks = host.inventory.instances().flatMap((instance) => instance.disks);
  const disk = disks.find((each) => each.path === path);
  if (!disk) throw new Error(`${path} is not in the inventory`);
  using passphrase = await passphraseOf(host, disk.encryption?.secretId);
  const seen = { path, format: disk.source.format, passphrase };
  const plain = join(tempDirectory(), "plain");
  const [info] = await Promise.all([
    qemuImgInfo(seen),
    seen.format === "qcow2" ? qemuCheck(seen) : undefined,
    qemuDecrypt(seen, plain),
  ]);
  expect(await digestOf(plain)).toBe(sha256);
  rmSync(plain);
  expect(info["backing-filename"]).toBe(disk.backing?.file);
  expect(activeSlots(info), "exactly the stored passphrase opens it").toBe(1);
  return operations.map(({ outcome }) => outcome);
}

/** In the LUKS header, wherever the format has it. */
function activeSlots(info: QemuInfo): number {
  const { data } = (info as unknown as { "format-specific": { data: LuksInfo & { encrypt?: LuksInfo } } })[
    "format-specific"
  ];
  return (data.encrypt ?? data).slots.filter(({ active }) => active).length;
}

interface LuksInfo {
  readonly slots: readonly { readonly active: boolean }[];
}

/** A tool that outlives its killed agent works on: nothing is settled before it ends. */
export async function untilIdle(path: string): Promise<void> {
  while ((await openers(path)).length > 0) await sleep(5);
}

/** Runs an operation on a disk again and again, killed one instant later each time, until it completes. */
export async function sweepDisk(
  host: DiskHost,
  actionOf: (round: number) => Promise<{ action: Action; path: string; count: number }>,
): Promise<Swept> {
  const recovered: string[] = [];
  for (let killAt = 1; ; killAt++) {
    const { action, path, count } = await actionOf(killAt);
    const outcome = await runChild({ configFile: host.temp.configFile, action, killAt });
    await untilIdle(path);
    const ended = await recoverDisk(host, path, count);
    {
      await using again = await host.temp.write();
      expect(again.recovery.operations).toEqual([]);
    }
    if (outcome) return { outcome, recovered };
    recovered.push(ended.join());
  }
}
