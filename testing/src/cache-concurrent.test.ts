import { join } from "node:path";
import { createInstance, findInstance, snapshotDisk } from "@luksmith/core/host";
import { describe, expect, test, vi } from "vitest";
import {
  addQcow2Image,
  baseFile,
  cacheHost,
  countedConversions,
  expectGood,
  expectOneBase,
  type ImagesType,
  secondAgent,
  sha256Of,
} from "./cache-host.ts";
import { runCacheChild } from "./child/run-cache-child.ts";
import { runTool } from "./run-tool.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;

describe("many creates of one image", () => {
  test.each<ImagesType>(["qcow2", "raw"])(
    "50 at once on %s convert it once, and all disks are good",
    { timeout: 120_000 },
    async (imagesType) => {
      const temp = cacheHost(imagesType);
      const { id, sha256 } = await addQcow2Image(temp, 4 * MIB);
      const conversions = countedConversions(temp, "sleep 0.3");
      await using host = await temp.write();
      const requests = await Promise.all(
        Array.from({ length: 50 }, () => temp.request(id, { diskFormat: "qcow2" })),
      );
      vi.stubEnv("PATH", conversions.path);
      try {
        await Promise.all(requests.map((request) => createInstance(host, request, testContext())));
      } finally {
        vi.unstubAllEnvs();
      }
      expect(conversions.count()).toBe(1);
      expectOneBase(temp, id, sha256);
      await expectGood(temp, host, 50);
      const [instance] = host.inventory.instances();
      const target = join(temp.root, "copy");
      const copy = { disk: "disk", target, format: "raw", plain: true } as const;
      await snapshotDisk(host, await findInstance(host, instance?.uuid ?? ""), copy, testContext());
      expect(sha256Of(target)).toBe(sha256);
      if (imagesType === "raw") return;
      for (const { path, source } of host.inventory.instances().flatMap(({ disks }) => disks)) {
        expect(source.backing).toMatchObject({ file: baseFile(temp, id), format: "raw" });
        const { stdout } = await runTool("qemu-img", ["info", "--output=json", "-f", "qcow2", path]);
        expect(JSON.parse(stdout)).toMatchObject({ encrypted: true, "backing-filename-format": "raw" });
      }
    },
  );

  test("4 agents with the same instances convert it once", { timeout: 120_000 }, async () => {
    const temp = cacheHost("qcow2");
    const { id, sha256 } = await addQcow2Image(temp, 4 * MIB);
    const conversions = countedConversions(temp, "sleep 1");
    const agents = [temp.configFile, ...["b", "c", "d"].map((name) => secondAgent(temp, name))];
    const outcomes = await Promise.all(
      agents.map((configFile) => {
        const requests = Array.from({ length: 5 }, () => temp.json(id, { diskFormat: "qcow2" }));
        return runCacheChild({ configFile, requests }, { path: conversions.path });
      }),
    );
    expect(outcomes.map((outcome) => [outcome?.made, outcome?.errors])).toEqual(agents.map(() => [5, []]));
    expect(conversions.count()).toBe(1);
    expect(sha256Of(baseFile(temp, id))).toBe(sha256);
    await using host = await temp.write();
    await expectGood(temp, host, 5);
  });
});
