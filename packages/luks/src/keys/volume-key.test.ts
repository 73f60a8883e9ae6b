import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { benchmarkIterations, stretchedIterations } from "./iterations.ts";
import { VolumeKey } from "./volume-key.ts";

const CIPHER = { cipherName: "aes", cipherMode: "xts-plain64" };

describe("VolumeKey", () => {
  it("prints as [redacted] everywhere", () => {
    using key = VolumeKey.take(Buffer.from("canary-canary-canary-canary-1234"), CIPHER);
    for (const shown of [
      String(key),
      JSON.stringify({ key }),
      inspect({ key }, { depth: 9, showHidden: true }),
    ]) {
      expect(shown).toContain("[redacted]");
      expect(shown).not.toContain("canary");
      expect(shown).not.toContain("99, 97, 110");
    }
  });

  it("takes the bytes away from their source and wipes them after use", () => {
    const source = Buffer.from("0123456789abcdef");
    const key = VolumeKey.take(source, CIPHER);
    expect(source.every((byte) => byte === 0)).toBe(true);
    let seen: Uint8Array = new Uint8Array(1);
    expect(key.use((bytes) => Buffer.from((seen = bytes)).toString())).toBe("0123456789abcdef");
    key[Symbol.dispose]();
    expect(seen.every((byte) => byte === 0)).toBe(true);
    expect(() => key.use(() => 1)).toThrow(/wiped/);
  });
});

describe("stretched iterations", () => {
  it.each([599_999, 12_000_001, 600_000.5, Number.NaN])("refuses %d", (iterations) => {
    expect(() => stretchedIterations(iterations)).toThrow(
      expect.objectContaining({ code: "LuksRequestInvalid" }),
    );
  });

  it("stays within the floor and the cap whatever the target", () => {
    expect(benchmarkIterations({ targetMs: 0 })).toBe(600_000);
    expect(benchmarkIterations({ targetMs: 1e9 })).toBe(12_000_000);
  });
});
