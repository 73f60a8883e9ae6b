import { existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInstance, deleteById } from "@luksmith/core/host";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import { addQcow2Image, baseFile, cacheHost, configure, secondAgent } from "./cache-host.ts";
import type { TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MAIN = join(import.meta.dirname, "../../apps/agent/src/main.ts");
const MIB = 1024 * 1024;

async function luksmith(temp: Pick<TempHost, "configFile">, ...args: readonly string[]) {
  const own = ["--conditions=luksmith-source", MAIN, "--config-file", temp.configFile, ...args];
  return await execa(process.execPath, own, { reject: false });
}

async function prune(temp: Pick<TempHost, "configFile">, ...args: readonly string[]): Promise<PruneDocument> {
  const { exitCode, stdout, stderr } = await luksmith(temp, "cache", "prune", "--json", ...args);
  if (exitCode !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as PruneDocument;
}

interface PruneDocument {
  readonly bases: readonly { readonly removed: boolean; readonly kept_because: string | null }[];
  readonly freed_bytes: number;
}

/** A host with one instance on a base. */
async function withInstance(): Promise<{ temp: TempHost; image: string; instance: string }> {
  const temp = cacheHost("qcow2");
  const { id } = await addQcow2Image(temp, MIB);
  await using host = await temp.write();
  const { uuid } = await createInstance(host, await temp.request(id, { diskFormat: "qcow2" }), testContext());
  return { temp, image: id, instance: uuid };
}

async function remove(temp: TempHost, instance: string): Promise<void> {
  await using host = await temp.write();
  await deleteById(host, instance, { forgetMissing: false }, testContext());
}

describe("luksmith cache", () => {
  test("lists bases with who stands on them, for people and programs", async () => {
    const { temp, image, instance } = await withInstance();
    writeFileSync(join(temp.instancesPath, "_base", "not-ours"), "");
    const { stdout } = await luksmith(temp, "cache", "list", "--json");
    const path = baseFile(temp, image);
    expect(JSON.parse(stdout)).toEqual({
      bases: [
        {
          name: path.split("/").at(-1),
          path,
          bytes: MIB,
          allocated_bytes: expect.any(Number),
          last_used: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
          used_by: [join(temp.instancesPath, instance, "disk")],
        },
      ],
      downloads: [],
    });
    expect((await luksmith(temp, "cache", "list")).stdout).toMatch(/BASE +SIZE +ALLOCATED +LAST USED +DISKS/);
  });

  test("prunes what is unused and old enough", { timeout: 60_000 }, async () => {
    const { temp, image, instance } = await withInstance();
    const path = baseFile(temp, image);
    expect((await prune(temp, "--all-unused")).bases).toMatchObject([{ kept_because: "in use" }]);
    await remove(temp, instance);
    expect((await prune(temp)).bases).toMatchObject([{ removed: false, kept_because: "used lately" }]);
    expect((await prune(temp, "--all-unused", "--dry-run")).bases).toMatchObject([{ removed: true }]);
    const old = Date.now() / 1000 - 90_000;
    utimesSync(path, old, old);
    expect(existsSync(path)).toBe(true);
    const { bases, freed_bytes } = await prune(temp);
    expect(bases).toMatchObject([{ removed: true, kept_because: null }]);
    expect(freed_bytes).toBeGreaterThanOrEqual(MIB);
    expect(readdirSync(join(temp.instancesPath, "_base"))).toEqual([]);
    expect((await luksmith(temp, "cache", "list")).stdout).toBe("the cache is empty");
  });

  test("keeps everything where pruning is switched off", async () => {
    const { temp, instance } = await withInstance();
    await remove(temp, instance);
    configure(temp, "[image_cache]", "remove_unused_base_images = False");
    expect((await prune(temp, "--all-unused")).bases).toMatchObject([{ kept_because: "switched off" }]);
  });

  test("keeps bases of another agent's disks, and of disks that only the inventory has", async () => {
    const { temp, instance } = await withInstance();
    const other = { configFile: secondAgent(temp, "other") };
    expect((await prune(other, "--all-unused")).bases).toMatchObject([{ kept_because: "in use" }]);
    // As if its storage were not mounted.
    rmSync(join(temp.instancesPath, instance), { recursive: true });
    expect((await prune(temp, "--all-unused")).bases).toMatchObject([{ kept_because: "in use" }]);
  });

  test("works beside another agent that is open, in a dry run", async () => {
    const { temp } = await withInstance();
    await using _host = await temp.write();
    expect((await prune(temp, "--dry-run")).bases).toHaveLength(1);
    const refused = await luksmith(temp, "cache", "prune", "--json");
    expect(refused.exitCode).toBe(73);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "StateLocked" } });
    expect((await luksmith(temp, "cache", "list", "--json")).exitCode).toBe(0);
  });
});
