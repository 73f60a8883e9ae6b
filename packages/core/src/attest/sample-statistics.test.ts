import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  bitsOf,
  LEAST_BITS,
  LOG_FALSE_POSITIVE,
  notNoise,
  SampleCounter,
  SECTOR_BYTES,
} from "./sample-statistics.ts";

function look(bytes: Uint8Array): SampleCounter["statistics"] {
  const counter = new SampleCounter();
  for (let at = 0; at < bytes.length; at += SECTOR_BYTES) counter.add(bytes.subarray(at, at + SECTOR_BYTES));
  return counter.statistics;
}

function logSum(logs: readonly number[]): number {
  const most = Math.max(...logs);
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0));
}

/** Natural logarithms of n!. */
const LOG_FACTORIAL = Array.from({ length: SECTOR_BYTES + 1 }, () => 0);
for (let n = 2; n <= SECTOR_BYTES; n++) LOG_FACTORIAL[n] = (LOG_FACTORIAL[n - 1] ?? 0) + Math.log(n);

/**
 * Log10 of a bound above the probability that a sector of uniform bytes has an entropy of `bits` or less. Counts of values are independent
 * Poisson variables that happen to sum up to 512, whatever their mean; Chernoff's bound holds for each mean and each power.
 */
function falsePositive(bits: number): number {
  const n = SECTOR_BYTES;
  // Entropy is log2(n) - sum(c log2 c) / n.
  const least = n * Math.LN2 * (Math.log2(n) - bits);
  let best = 0;
  for (let mean = 0.3; mean < 2.01; mean += 0.05) {
    const counts = LOG_FACTORIAL.map((log, k) => -mean + k * Math.log(mean) - log);
    const exactly = -256 * mean + n * Math.log(256 * mean) - (LOG_FACTORIAL[n] ?? 0);
    for (let power = 0.1; power < 0.99; power += 0.02) {
      const moment = logSum(counts.map((log, k) => log + (k > 1 ? power * k * Math.log(k) : 0)));
      best = Math.min(best, 256 * moment - power * least - exactly);
    }
  }
  return best / Math.LN10;
}

describe("noise", () => {
  test("is taken for something else at most as often as is said", () => {
    expect(falsePositive(LEAST_BITS)).toBeLessThan(LOG_FALSE_POSITIVE);
    // The bound is one: it is met nearly, far from where it says "never".
    const bits = Array.from({ length: 20_000 }, () => {
      const counts = new Float64Array(256);
      for (const byte of randomBytes(SECTOR_BYTES)) counts[byte] = (counts[byte] ?? 0) + 1;
      return bitsOf(counts);
    });
    const below = bits.filter((each) => each < 7.5).length / bits.length;
    expect(below).toBeGreaterThan(0);
    expect(below).toBeLessThan(10 ** falsePositive(7.5));
  });

  test("is taken for noise, with zeros between", () => {
    const bytes = Buffer.concat([randomBytes(4 << 20), Buffer.alloc(1 << 20), randomBytes(1 << 20)]);
    const found = look(bytes);
    expect(found).toMatchObject({
      zero: 2048,
      judged: 10_240,
      low_entropy: 0,
      repeated_blocks: 0,
      magic: [],
    });
    expect(notNoise(found)).toEqual([]);
    expect(notNoise(look(new Uint8Array(1 << 20)))).toEqual([]);
  });
});

describe("what is not noise", () => {
  const noise = randomBytes(1 << 20);
  const text = readFileSync(import.meta.filename).subarray(0, SECTOR_BYTES);

  test.each([
    ["one sector of text", text],
    ["one of base64", Buffer.from(randomBytes(384).toString("base64"))],
    [
      "one of a counter",
      Buffer.from(Array.from({ length: SECTOR_BYTES }, (_, i) => (i % 4 === 3 ? i >> 2 : 0))),
    ],
  ])("is seen: %s in 2048", (_what, sector) => {
    const found = look(Buffer.concat([noise.subarray(0, -SECTOR_BYTES), sector]));
    expect(found).toMatchObject({ judged: 2048, low_entropy: 1 });
    expect(notNoise(found).join()).toContain("1 of 2048 sectors that were looked at are not noise");
  });

  test("is seen of a program in nearly each sector, and of the same compressed in all together", () => {
    const program = readFileSync(process.execPath).subarray(1 << 20, 3 << 20);
    const found = look(program);
    expect(found.low_entropy / found.judged).toBeGreaterThan(0.9);
    const packed = look(gzipSync(program));
    expect(packed.judged).toBeGreaterThan(500);
    expect(notNoise(packed).join()).toContain("chi-square");
  });

  test("is seen where each sector looks like noise: too even, repeated, encrypted block by block", () => {
    // Each value twice in each sector, in another order each time.
    const even = Buffer.concat(
      Array.from({ length: 256 }, () => {
        const order = [...randomBytes(SECTOR_BYTES)].map((key, i) => [key, i % 256] as const);
        return Buffer.from(order.toSorted(([a], [b]) => a - b).map(([, value]) => value));
      }),
    );
    expect(look(even).low_entropy).toBe(0);
    expect(notNoise(look(even)).join()).toContain("chi-square");
    const twice = Buffer.concat([noise, noise.subarray(0, SECTOR_BYTES)]);
    expect(look(twice).repeated_blocks).toBe(SECTOR_BYTES / 16);
    expect(notNoise(look(twice)).join()).toContain("more than once");
  });

  test("is seen by the beginning of a LUKS header, or by a swap area's mark", () => {
    const luks = Buffer.concat([Buffer.from("LUKS\xba\xbe", "latin1"), noise.subarray(6)]);
    expect(look(luks).magic).toEqual(["luks"]);
    const swap = Buffer.from(noise);
    swap.write("SWAPSPACE2", 4096 - 10);
    expect(look(swap).magic).toEqual(["swap"]);
  });
});
