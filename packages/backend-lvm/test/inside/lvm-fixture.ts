import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageServices } from "@luksmith/core";
import { type ImageBackendFixture, testContext } from "@luksmith/testkit";
import { lvmBackend, type LvmSettings } from "../../src/index.ts";
import { cryptsetupOpens, GROUP, qemuRead, run, withMapping } from "./guest-tools.ts";

export const POOL = "pool";
const HEADER_BYTES = 2n * 1024n * 1024n;

export const LINEAR: LvmSettings = { volumeGroup: GROUP, thin: false, clear: "zero", clearBytes: 1 << 20 };
export const THIN: LvmSettings = { ...LINEAR, thin: true };

/** Volumes of the run's group, all of which are this fixture's, seen by the kernel's dm-crypt and QEMU. */
export async function lvmFixture(
  services: ImageServices,
  settings: LvmSettings,
): Promise<ImageBackendFixture> {
  if (settings.thin) await makePool();
  const targets = await mkdtemp(join(tmpdir(), "luksmith-lvm-"));
  return {
    backend: lvmBackend(settings, () => services),
    contents: async () => {
      const found = new Map<string, string>();
      for (const { name, tags } of await volumes())
        found.set(name, `${tags} ${await digest(`/dev/${GROUP}/${name}`)}`);
      for (const name of await readdir(targets)) found.set(name, await digest(join(targets, name)));
      return found;
    },
    rawBytes: (image) => readFile(image.path),
    damage: (image, offset, bytes) => overwrite(image.path, offset, bytes),
    replace: async (image) => {
      const name = image.path.slice(`/dev/${GROUP}/`.length);
      if ((await volumes()).some((volume) => volume.name === name))
        await run("lvremove", "-qq", "-f", `${GROUP}/${name}`);
      await run("lvcreate", "-qq", "-y", "-Wn", "-Zn", "-l", "1", "-n", name, GROUP);
      await overwrite(image.path, 0, Buffer.alloc(1024 * 1024, "somebody else's"));
    },
    oracle: {
      opens: (image, passphrase) => cryptsetupOpens(image.path, passphrase),
      read: async (image, passphrase) => {
        const size = (await image.actualSize(testContext())) + (passphrase ? HEADER_BYTES : 0n);
        return await qemuRead({ path: image.path, size }, passphrase);
      },
      write: (image, passphrase, offset, bytes) =>
        withMapping(image.path, passphrase, (mapped) => overwrite(mapped, offset, bytes)),
    },
    snapshots: {
      target: () => join(targets, randomUUID()),
      read: (path, _format, passphrase) => qemuRead({ path }, passphrase),
    },
    [Symbol.asyncDispose]: async () => {
      await removeVolumes();
      await rm(targets, { recursive: true });
    },
  };
}

/** Whether any volume is active; without a command, which take their time here. */
async function areVolumes(): Promise<boolean> {
  const names = await readdir(`/dev/${GROUP}`).catch(() => []);
  return names.some((name) => name !== POOL);
}

/** Everything in the group but the pool. */
export async function volumes(): Promise<readonly { readonly name: string; readonly tags: string }[]> {
  if (!(await areVolumes())) return [];
  const options = ["--noheadings", "--separator=|", "-o", "lv_name,lv_size,lv_tags,segtype"];
  const lines = (await run("lvs", ...options, GROUP)).split("\n").filter((line) => line.trim() !== "");
  return lines.flatMap((line) => {
    const [name = "", size = "", tags = "", type = ""] = line.trim().split("|");
    return type === "thin-pool" ? [] : [{ name, tags: `${size} ${tags}` }];
  });
}

export async function removeVolumes(): Promise<void> {
  if (await areVolumes()) await run("lvremove", "-qq", "-f", "-S", "segtype!=thin-pool", GROUP);
}

export async function makePool(size = "256M"): Promise<void> {
  const found = await run("lvs", "--noheadings", "-o", "lv_name", "-S", "segtype=thin-pool", GROUP);
  if (found.trim() === "")
    await run("lvcreate", "-qq", "-y", "--type=thin-pool", "-L", size, "-n", POOL, GROUP);
}

export async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "r+");
  await file.write(bytes, 0, bytes.length, offset);
  await file.datasync();
}

async function digest(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}
