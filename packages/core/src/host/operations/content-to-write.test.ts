import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheFixture, ctx, MIB } from "../../images/cache/fixtures/cache-fixture.ts";
import { contentToWrite } from "./content-to-write.ts";

const OVERLAYS = { overlays: true };
const WHOLE = { overlays: false };

let fixture: CacheFixture;
beforeEach(async () => {
  fixture = await CacheFixture.make();
});
afterEach(() => fixture[Symbol.asyncDispose]());

describe("contentToWrite", () => {
  it("counts an image in its base, for an overlay, and only while there is none", async () => {
    await using image = await fixture.image("qcow2", randomBytes(MIB));
    const look = (forceRaw: boolean) => contentToWrite(image, fixture.newCache(), OVERLAYS, forceRaw);
    expect(await look(true)).toEqual({ contentBytes: 0n, baseBytes: image.virtualSize });
    expect(await look(false)).toEqual({ contentBytes: 0n, baseBytes: image.size });
    using _base = await fixture.cache.image(image, { raw: true }, ctx);
    expect(await look(true)).toEqual({ contentBytes: 0n, baseBytes: 0n });
    expect(await look(false)).toEqual({ contentBytes: 0n, baseBytes: image.size });
  });

  it("counts it on a whole disk, and the conversion that comes before", async () => {
    await using converted = await fixture.image("qcow2", randomBytes(MIB));
    const contentBytes = converted.virtualSize;
    expect(await contentToWrite(converted, fixture.cache, WHOLE, false)).toEqual({
      contentBytes,
      baseBytes: contentBytes,
    });
    using _base = await fixture.cache.image(converted, { raw: true }, ctx);
    expect(await contentToWrite(converted, fixture.cache, WHOLE, false)).toEqual({
      contentBytes,
      baseBytes: 0n,
    });
    await using raw = await fixture.image("raw", randomBytes(MIB));
    const encryption = { format: "luks", secretId: "s" } as const;
    for (const direct of [raw, { ...converted, id: "another", encryption }]) {
      const { baseBytes } = await contentToWrite(direct, fixture.cache, WHOLE, true);
      expect(baseBytes).toBe(0n);
    }
  });

  it("counts nothing for a disk without an image", async () => {
    expect(await contentToWrite(undefined, fixture.cache, OVERLAYS, true)).toEqual({
      contentBytes: 0n,
      baseBytes: 0n,
    });
  });
});
