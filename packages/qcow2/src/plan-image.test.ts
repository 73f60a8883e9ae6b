import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkRanges } from "./check-ranges.ts";
import { imageWrites } from "./image-writes.ts";
import { ENTRY } from "./layout.ts";
import { parseHeader } from "./parse-header.ts";
import { type ImagePlan, planImage } from "./plan-image.ts";

const backing = fc.record({
  file: fc.stringMatching(/^[^\0]{1,60}$/),
  format: fc.constantFrom("raw", "qcow2"),
});
const luks = fc.record({ bytes: fc.constantFrom(4040 * 512, 4096 * 512, 8192 * 512) });

const requests = fc.integer({ min: 9, max: 21 }).chain((clusterBits) =>
  fc.record(
    {
      clusterBits: fc.constant(clusterBits),
      // Up to what the largest L1 table covers.
      virtualSize: fc
        .bigInt({ min: 1n, max: 2n ** BigInt(2 * clusterBits + 10) })
        .map((sectors) => sectors * 512n),
      backing,
      luks,
    },
    { requiredKeys: ["clusterBits", "virtualSize"] },
  ),
);

/** What a plan puts where, in clusters. */
function placesOf({ header, geometry, refcountBlocks }: ImagePlan): { first: number; count: number }[] {
  const { clusterSize } = geometry;
  return [
    { offset: 0, length: 1 },
    { offset: header.refcountTable.offset, length: header.refcountTable.clusters * clusterSize },
    refcountBlocks,
    { offset: header.l1.offset, length: header.l1.entries * ENTRY },
    ...(header.luks === undefined ? [] : [header.luks]),
  ].map(({ offset, length }) => ({ first: offset / clusterSize, count: Math.ceil(length / clusterSize) }));
}

/** The refcounts that the writes put into the file, by cluster, read as a reader would. */
function refcountsOf(plan: ImagePlan): number[] {
  const { luks: _luks, ...header } = plan.header;
  const file = Buffer.alloc(plan.refcountBlocks.offset + plan.refcountBlocks.length);
  for (const { offset, bytes } of imageWrites({ ...plan, header })) file.set(bytes, offset);
  const counts: number[] = [];
  const { offset, clusters } = plan.header.refcountTable;
  for (let at = offset; at < offset + clusters * plan.geometry.clusterSize; at += ENTRY) {
    const block = Number(file.readBigUInt64BE(at));
    if (block === 0) continue;
    for (let i = 0; i < plan.geometry.clusterSize; i += 2) counts.push(file.readUInt16BE(block + i));
  }
  return counts;
}

describe("planImage", () => {
  it("puts nothing on anything else, and leaves nothing between", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planImage(request);
        const places = placesOf(plan).toSorted((a, b) => a.first - b.first);
        let next = 0;
        for (const { first, count } of places) {
          expect(first).toBe(next);
          next = first + count;
        }
        expect(next).toBe(plan.clusters);
        expect(plan.fileLength).toBe(BigInt(next) * BigInt(plan.geometry.clusterSize));
      }),
      { numRuns: 500 },
    );
  });

  it("counts every cluster in use once, and no other", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planImage(request);
        const counts = refcountsOf(plan);
        expect(counts.slice(0, plan.clusters).every((count) => count === 1)).toBe(true);
        expect(counts.slice(plan.clusters).every((count) => count === 0)).toBe(true);
        expect(counts.length).toBeGreaterThanOrEqual(plan.clusters);
      }),
      { numRuns: 150 },
    );
  });

  it("writes a header that reads back the same", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const plan = planImage(request);
        const cluster = new Uint8Array(plan.geometry.clusterSize);
        cluster.set(plan.headerBytes);
        const header = parseHeader(cluster);
        expect({ ...header, extensions: [] }).toEqual(plan.header);
        checkRanges(header, Number(plan.fileLength));
      }),
      { numRuns: 200 },
    );
  });
});
