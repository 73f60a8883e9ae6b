import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { AnyLuksmithError, OpContext } from "@luksmith/core";
import { createInstance } from "@luksmith/core/host";
import { describe, expect, test, vi } from "vitest";
import {
  addQcow2Image,
  cacheHost,
  countedConversions,
  expectGood,
  expectOneBase,
  instanceNames,
} from "./cache-host.ts";
import { runCacheChild } from "./child/run-cache-child.ts";
import { expectRefusal } from "./expect-refusal.ts";
import { smallFilesystem } from "./small-filesystem.ts";
import type { TempHost } from "./temp-host.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

/** Creates with a qemu-img that does `before` at each conversion; then without, to show that the host goes on. */
async function troubled(
  temp: TempHost,
  code: string,
  before: string,
  contextOf: () => OpContext = testContext,
): Promise<AnyLuksmithError> {
  const { id, sha256 } = await addQcow2Image(temp, 4 * MIB);
  const conversions = countedConversions(temp, before);
  await using host = await temp.write();
  const request = await temp.request(id, { diskFormat: "qcow2" });
  vi.stubEnv("PATH", conversions.path);
  const error = await expectRefusal(() => createInstance(host, request, contextOf()), code).finally(() =>
    vi.unstubAllEnvs(),
  );
  expect(readdirSync(join(temp.instancesPath, "_base"))).toEqual([]);
  expect(instanceNames(temp)).toEqual([]);
  await expectGood(temp, host, 0);
  await createInstance(host, request, testContext());
  await expectGood(temp, host, 1);
  expectOneBase(temp, id, sha256);
  return error;
}

async function appears(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(10);
}

describe("a conversion for the cache", () => {
  test.each(["qcow2", "raw"] as const)(
    "that hangs, for %s, is ended in time and leaves nothing",
    async (type) => {
      const temp = cacheHost(type, { luksmith: ["command_timeout = 1"] });
      const error = await troubled(temp, "CommandTimedOut", "sleep 3600");
      expect(error.message).toContain("did not finish within 1 s");
    },
  );

  test.each(["qcow2", "raw"] as const)("that is cancelled, for %s, leaves nothing", async (type) => {
    const temp = cacheHost(type);
    const mark = join(temp.root, "converting");
    const error = await troubled(temp, "Cancelled", `touch '${mark}'; sleep 3600`, () => {
      const stop = new AbortController();
      void appears(mark).then(() => stop.abort(new Error("enough")));
      return testContext({ signal: stop.signal });
    });
    expect(error.category).toBe("cancelled");
  });

  test("that runs out of space says so and gives it back", async () => {
    const temp = cacheHost("qcow2");
    const { id } = await addQcow2Image(temp, 16 * MIB);
    const filler = join(temp.instancesPath, "filler");
    const report = join(temp.root, "left");
    // The space was there when the create looked.
    const fill = `dd if=/dev/zero of='${filler}' bs=1M count=20 2>/dev/null`;
    const small = smallFilesystem(temp.instancesPath, 30 * MIB);
    const look = `"$@"; rm '${filler}'; find '${temp.instancesPath}' -type f -size +0 > '${report}'`;
    const outcome = await runCacheChild(
      { configFile: temp.configFile, requests: [temp.json(id, { diskFormat: "qcow2" })] },
      { path: countedConversions(temp, fill).path, through: [...small.through, "sh", "-c", look, "sh"] },
    );
    expect(outcome?.errors).toEqual([
      expect.stringMatching(/^NoSpace: converting image .* ran out of space/),
    ]);
    expect(readFileSync(report, "utf8")).toBe("");
  });

  test("by a qemu-img that outlives its agent touches nothing that was made since", async () => {
    const temp = cacheHost("qcow2");
    const { id, sha256 } = await addQcow2Image(temp, 4 * MIB);
    const [began, ended] = [join(temp.root, "began"), join(temp.root, "ended")];
    const before = `touch '${began}'; sleep 2; PATH="$REAL" qemu-img "$@" > /dev/null 2>&1; touch '${ended}'; exit`;
    const scenario = { configFile: temp.configFile, requests: [temp.json(id, { diskFormat: "qcow2" })] };
    const { path } = countedConversions(temp, before);
    expect(await runCacheChild(scenario, { path, kill: appears(began) })).toBeUndefined();
    await using host = await temp.write();
    await createInstance(host, await temp.request(id, { diskFormat: "qcow2" }), testContext());
    expect(existsSync(ended)).toBe(false);
    await appears(ended);
    expectOneBase(temp, id, sha256);
    await expectGood(temp, host, 1);
  });
});

test("a cache that somebody removed by hand is made again", async () => {
  const temp = cacheHost("qcow2");
  const { id, sha256 } = await addQcow2Image(temp, MIB);
  await using host = await temp.write();
  const create = async () =>
    createInstance(host, await temp.request(id, { diskFormat: "qcow2" }), testContext());
  await create();
  for (const name of ["_base", "locks"]) rmSync(join(temp.instancesPath, name), { recursive: true });
  mkdirSync(join(temp.instancesPath, "locks"));
  await create();
  expect(instanceNames(temp)).toHaveLength(2);
  expectOneBase(temp, id, sha256);
});
