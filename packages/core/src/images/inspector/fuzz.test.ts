import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DECLARED, hostileImages, tryImage } from "./fixtures/fuzz-step.ts";
import { drawFrom } from "./fixtures/mutant.ts";

const SIGNATURES = [
  "QFI\xfb\0\0\0\x03",
  "QFI\xfb\0\0\0\x02",
  "QFI\xfb\0\0\0\x01",
  "QED\0",
  "KDMV\x01\0\0\0",
  "COWD",
  "# Disk DescriptorFile\nversion=1\ncreateType=",
  "conectix",
  "vhdxfile",
  "LUKS\xba\xbe\0\x01",
  "WithoutFreeSpace",
  "Bochs Virtual HD Image",
  "#!/bin/sh\n#V2.0 Format\n",
].map((text) => Buffer.from(text, "latin1"));

const budget = { numRuns: 2000, interruptAfterTimeLimit: 600, markInterruptAsFailure: false };

describe("whatever the bytes, inspection ends in typed refusals and within its limits:", () => {
  it("random bytes", async () => {
    const bytes = fc.uint8Array({ maxLength: 4096 });
    await fc.assert(
      fc.asyncProperty(bytes, async (image) => {
        expect(await tryImage(image)).toHaveLength(DECLARED.length);
      }),
      budget,
    );
  });

  it("random bytes behind a signature", async () => {
    const image = fc
      .tuple(fc.constantFrom(...SIGNATURES), fc.uint8Array({ maxLength: 2048, size: "max" }))
      .map(([signature, rest]) => Buffer.concat([signature, rest]));
    await fc.assert(
      fc.asyncProperty(image, async (bytes) => {
        expect(await tryImage(bytes)).toHaveLength(DECLARED.length);
      }),
      budget,
    );
  });

  it("damaged headers", async () => {
    const images = hostileImages(drawFrom(20_260_101));
    const codes = new Set<string>();
    const end = performance.now() + 1000;
    while (performance.now() < end) {
      for (const code of await tryImage(images.next().value)) codes.add(code);
    }
    expect(codes.size).toBeGreaterThan(20);
  });
});
