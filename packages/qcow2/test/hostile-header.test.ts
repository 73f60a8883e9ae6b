import { truncate } from "node:fs/promises";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Qcow2Error, Qcow2File } from "../src/index.ts";
import { MIB } from "./qemu.ts";
import { type OurImage, Workspace } from "./workspace.ts";

type Change = (view: DataView, bytes: Uint8Array) => void;

const u32 =
  (at: number, value: number): Change =>
  (view) =>
    view.setUint32(at, value);
const u64 =
  (at: number, value: bigint): Change =>
  (view) =>
    view.setBigUint64(at, value);
const both =
  (...changes: Change[]): Change =>
  (view, bytes) =>
    changes.forEach((change) => change(view, bytes));

/** An encrypted overlay: backing format at byte 112, LUKS pointer at 128, name of the backing file from 160 on. */
const CRYPTO = 128;

const hostile: [name: string, change: Change, code: string, reason: string][] = [
  ["another magic", u32(0, 0x4c55_4b53), "Qcow2HeaderInvalid", "magic"],
  ["version 1", u32(4, 1), "Qcow2Unsupported", "version"],
  ["version 4", u32(4, 4), "Qcow2Unsupported", "version"],
  ["clusters of 256 bytes", u32(20, 8), "Qcow2HeaderInvalid", "cluster-size"],
  ["clusters of 4 GiB", u32(20, 32), "Qcow2HeaderInvalid", "cluster-size"],
  ["a huge cluster size", u32(20, 0xffff_ffff), "Qcow2HeaderInvalid", "cluster-size"],
  ["a size within a sector", u64(24, 1000n), "Qcow2HeaderInvalid", "virtual-size"],
  ["a size of 2^64 - 512", u64(24, 2n ** 64n - 512n), "Qcow2HeaderInvalid", "virtual-size"],
  ["a size that L1 does not cover", u64(24, 2n ** 40n), "Qcow2HeaderInvalid", "l1-size"],
  ["an L1 table of 32 GiB", u32(36, 0xffff_ffff), "Qcow2HeaderHostile", "l1-size"],
  ["an L1 table just above 32 MiB", u32(36, 4 * 1024 * 1024 + 1), "Qcow2HeaderHostile", "l1-size"],
  ["an L1 table off the clusters", u64(40, 0x3_0200n), "Qcow2HeaderInvalid", "l1-offset"],
  ["an L1 table beyond the end", u64(40, 2n ** 40n), "Qcow2HeaderInvalid", "l1-outside"],
  ["an L1 table that no file holds", u64(40, 2n ** 63n), "Qcow2HeaderInvalid", "offset"],
  ["L1 in the header", u64(40, 0n), "Qcow2HeaderHostile", "overlap"],
  ["L1 in the refcount table", u64(40, 0x1_0000n), "Qcow2HeaderHostile", "overlap"],
  ["L1 in the LUKS area", u64(40, 0x8_0000n), "Qcow2HeaderHostile", "overlap"],
  ["no refcount table", u32(56, 0), "Qcow2HeaderInvalid", "refcount-table-size"],
  ["a refcount table of 256 TiB", u32(56, 0xffff_ffff), "Qcow2HeaderHostile", "refcount-table-size"],
  ["a refcount table off the clusters", u64(48, 512n), "Qcow2HeaderInvalid", "refcount-table-offset"],
  ["a refcount table beyond the end", u64(48, 2n ** 50n), "Qcow2HeaderInvalid", "refcount-table-outside"],
  ["four billion snapshots", u32(60, 0xffff_ffff), "Qcow2HeaderHostile", "snapshots"],
  ["the dirty bit", u64(72, 1n), "Qcow2Unsupported", "dirty"],
  ["the corrupt bit", u64(72, 2n), "Qcow2Unsupported", "corrupt"],
  ["an external data file", u64(72, 4n), "Qcow2Unsupported", "data-file"],
  ["extended L2 entries", u64(72, 16n), "Qcow2Unsupported", "extended-l2"],
  ["an unknown feature", u64(72, 2n ** 63n), "Qcow2Unsupported", "feature"],
  ["a compression bit without a type", u64(72, 8n), "Qcow2HeaderInvalid", "compression"],
  ["a compression type without a bit", (view) => view.setUint8(104, 1), "Qcow2HeaderInvalid", "compression"],
  [
    "compression type 2",
    both(u64(72, 8n), (view) => view.setUint8(104, 2)),
    "Qcow2Unsupported",
    "compression",
  ],
  ["refcounts of 128 bits", u32(96, 7), "Qcow2HeaderInvalid", "refcount-order"],
  ["a short header", u32(100, 72), "Qcow2HeaderInvalid", "header-length"],
  ["an uneven header", u32(100, 113), "Qcow2HeaderInvalid", "header-length"],
  ["a header above a cluster", u32(100, 0xffff_fff8), "Qcow2HeaderInvalid", "header-length"],
  ["AES-CBC of old", u32(32, 1), "Qcow2Unsupported", "encryption"],
  ["an unknown encryption", u32(32, 3), "Qcow2Unsupported", "encryption"],
  ["a LUKS pointer without LUKS", u32(32, 0), "Qcow2HeaderInvalid", "crypto-extension"],
  ["LUKS without a pointer", u32(CRYPTO, 0x1234_5678), "Qcow2HeaderInvalid", "crypto-extension"],
  ["a short LUKS pointer", u32(CRYPTO + 4, 8), "Qcow2HeaderInvalid", "crypto-extension"],
  ["an extension of 4 GiB", u32(CRYPTO + 4, 0xffff_ffff), "Qcow2HeaderInvalid", "extension-length"],
  ["the same extension twice", u32(112, 0x0537_be77), "Qcow2HeaderInvalid", "extension-twice"],
  ["LUKS off the clusters", u64(CRYPTO + 8, 0x4_0200n), "Qcow2HeaderInvalid", "luks-offset"],
  ["LUKS beyond the end", u64(CRYPTO + 8, 2n ** 45n), "Qcow2HeaderInvalid", "luks-outside"],
  ["LUKS in the header", u64(CRYPTO + 8, 0n), "Qcow2HeaderHostile", "overlap"],
  ["a LUKS area of 100 bytes", u64(CRYPTO + 16, 100n), "Qcow2HeaderInvalid", "luks-length"],
  ["a LUKS area of 2^60 bytes", u64(CRYPTO + 16, 2n ** 60n), "Qcow2HeaderInvalid", "offset"],
  ["a backing name of 2 KiB", u32(16, 2048), "Qcow2HeaderInvalid", "backing-file"],
  ["a backing name of no bytes", u32(16, 0), "Qcow2HeaderInvalid", "backing-file"],
  ["a backing name in the header", u64(8, 8n), "Qcow2HeaderInvalid", "backing-file"],
  ["a backing name at the cluster's end", u64(8, 0xfffen), "Qcow2HeaderInvalid", "backing-file"],
  [
    "a backing name that is not text",
    (_view, bytes) => bytes.fill(0xff, 160, 162),
    "Qcow2HeaderInvalid",
    "backing-file",
  ],
];

const sample = (space: Workspace): Promise<OurImage> =>
  space.image({
    virtualSize: 8n * MIB,
    backing: { file: "/nowhere/base.raw", format: "raw" },
    encrypted: true,
  });

describe("Qcow2File.open", () => {
  it.each(hostile)("refuses %s", async (_name, change, code, reason) => {
    await using space = new Workspace();
    const { handle, file } = await sample(space);
    expect(file.header.backing).toEqual({ file: "/nowhere/base.raw", format: "raw" });
    const cluster = Buffer.alloc(65_536);
    await handle.read(cluster, 0, cluster.length, 0);
    change(new DataView(cluster.buffer, cluster.byteOffset, cluster.length), cluster);
    await handle.write(cluster, 0, cluster.length, 0);
    await expect(Qcow2File.open(handle)).rejects.toMatchObject({ code, details: { reason } });
  });

  it("refuses files that end too early", async () => {
    await using space = new Workspace();
    const { path, handle } = await sample(space);
    for (const size of [300_000, 65_536, 200, 100, 24, 23, 0]) {
      await truncate(path, size);
      await expect(Qcow2File.open(handle)).rejects.toBeInstanceOf(Qcow2Error);
    }
  });

  it("fails in no other way, whatever the header", async () => {
    await using space = new Workspace();
    const { handle } = await sample(space);
    const original = Buffer.alloc(256);
    await handle.read(original, 0, 256, 0);
    const flips = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(flips, async (changes) => {
        const bytes = Buffer.from(original);
        for (const [at, value] of changes) bytes[at] = value;
        await handle.write(bytes, 0, 256, 0);
        const outcome = await Qcow2File.open(handle).then(
          async (image) => {
            for await (const run of image.runs()) if (run.start > 1n << 40n) return undefined;
            return undefined;
          },
          (error: unknown) => error,
        );
        expect(outcome === undefined || outcome instanceof Qcow2Error).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
