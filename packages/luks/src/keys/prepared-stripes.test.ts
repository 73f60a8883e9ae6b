import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { foldedStripes, mergeKey, splitKey } from "./anti-forensic.ts";
import { prepareStripesWhenIdle, takeStripes } from "./prepared-stripes.ts";

const key = Uint8Array.from({ length: 64 }, (_, i) => i);

describe("prepared stripes", () => {
  it("split a key like those made on the spot, and are never given twice", async () => {
    prepareStripesWhenIdle();
    await sleep(100);
    const seen = new Set<string>();
    for (let i = 0; i < 6; i++) {
      const material = splitKey(key, 4000, "sha256", takeStripes(64, 4000, "sha256"));
      expect(mergeKey(material, 64, "sha256")).toEqual(key);
      seen.add(Buffer.from(material.subarray(0, 64)).toString("hex"));
    }
    expect(seen.size).toBe(6);
  });

  it("are made for other keys and hashes when asked for", () => {
    const short = key.subarray(0, 32);
    const material = splitKey(short, 4000, "sha1", takeStripes(32, 4000, "sha1"));
    expect(mergeKey(material, 32, "sha1")).toEqual(short);
    expect(foldedStripes(32, 10, "sha512").material).toHaveLength(320);
  });
});
