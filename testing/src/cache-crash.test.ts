import { createInstance } from "@luksmith/core/host";
import { describe, expect, test } from "vitest";
import {
  addQcow2Image,
  cacheHost,
  expectGood,
  expectOneBase,
  type ImagesType,
  instanceNames,
  startOver,
} from "./cache-host.ts";
import type { CacheOutcome } from "./child/cache-scenario.ts";
import { runCacheChild } from "./child/run-cache-child.ts";
import { testContext } from "./workspace.ts";

const MIB = 1024 * 1024;
const CACHE = ["lock taken", "part created", "convert image", "before link", "link", "unlink"];

describe("a create that fills the cache, killed at any instant", () => {
  test.each<ImagesType>(["qcow2", "raw"])(
    "on %s, is taken back; the next one finds or makes a whole base",
    { timeout: 300_000 },
    async (imagesType) => {
      const temp = cacheHost(imagesType);
      const { id, sha256 } = await addQcow2Image(temp, 8 * MIB);
      let last: CacheOutcome | undefined;
      for (let killAt = 1; ; killAt++) {
        const requests = [temp.json(id, { diskFormat: "qcow2" })];
        const outcome = await runCacheChild({ configFile: temp.configFile, requests, killAt });
        await using host = await temp.write();
        last = outcome;
        if (outcome) {
          await expectGood(temp, host, 1);
          break;
        }
        // The last instant is the one at which the create was done.
        const left = host.inventory.instances().length;
        expect(instanceNames(temp)).toHaveLength(left);
        await expectGood(temp, host, left);
        await createInstance(host, await temp.request(id, { diskFormat: "qcow2" }), testContext());
        await expectGood(temp, host, left + 1);
        expectOneBase(temp, id, sha256);
        await startOver(temp, host, id);
      }
      expect(last?.errors).toEqual([]);
      const journal = ["journal: begin", "journal: image", "journal: done"];
      expect(last?.instants).toEqual(expect.arrayContaining([...CACHE, ...journal]));
    },
  );
});
