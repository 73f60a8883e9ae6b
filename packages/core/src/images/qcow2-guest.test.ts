import { createSectorCipher, GeneratedPassphrase, formatContainer, type SectorCipher } from "@luksmith/luks";
import { beforeAll, describe, expect, it } from "vitest";
import { bytesSource, readQcow2Header } from "./inspector/index.ts";
import { Qcow2Guest } from "./qcow2-guest.ts";

const CLUSTER = 512;
const [L1, L2, DATA] = [CLUSTER, 2 * CLUSTER, 3 * CLUSTER];
const COPIED = 1n << 63n;
let cipher: SectorCipher;

beforeAll(() => {
  using passphrase = GeneratedPassphrase.create();
  const { volumeKey } = formatContainer({ uuid: "6a1f2c84-3b7d-4e59-9c0a-d8e5b71f4a26", passphrase });
  using key = volumeKey;
  cipher = createSectorCipher(key);
});

/** A disk of 64 clusters whose first L2 table has these entries. */
function imageOf(entries: readonly bigint[], l1: readonly bigint[] = [BigInt(L2) | COPIED]): Buffer {
  const image = Buffer.alloc(8 * CLUSTER);
  image.write("QFI\xfb", "latin1");
  image.writeUInt32BE(3, 4);
  image.writeUInt32BE(9, 20);
  image.writeBigUInt64BE(BigInt(64 * l1.length * CLUSTER), 24);
  image.writeUInt32BE(2, 32);
  image.writeUInt32BE(l1.length, 36);
  image.writeBigUInt64BE(BigInt(L1), 40);
  image.writeUInt32BE(104, 100);
  for (const [i, entry] of l1.entries()) image.writeBigUInt64BE(entry, L1 + i * 8);
  for (const [i, entry] of entries.entries()) image.writeBigUInt64BE(entry, L2 + i * 8);
  return image;
}

function guestOf(image: Buffer): Qcow2Guest {
  return new Qcow2Guest(bytesSource(image), readQcow2Header(image), "the image");
}

async function partsOf(image: Buffer): Promise<readonly object[]> {
  const parts: object[] = [];
  for await (const part of guestOf(image).parts()) parts.push(part);
  return parts;
}

describe("Qcow2Guest", () => {
  it("joins what goes on in the file, and what reads as zero", async () => {
    const data = [DATA, DATA + CLUSTER, 0, DATA + 3 * CLUSTER, DATA + 2 * CLUSTER].map((at) => BigInt(at));
    const zero = BigInt(DATA) | 1n;
    expect(await partsOf(imageOf([...data, zero]))).toEqual([
      { start: 0n, length: 1024n, source: BigInt(DATA) },
      { start: 1024n, length: 512n },
      { start: 1536n, length: 512n, source: BigInt(DATA + 3 * CLUSTER) },
      { start: 2048n, length: 512n, source: BigInt(DATA + 2 * CLUSTER) },
      { start: 2560n, length: BigInt(59 * CLUSTER) },
    ]);
  });

  it("needs no tables for what is nowhere", async () => {
    expect(await partsOf(imageOf([], [0n, 0n]))).toEqual([{ start: 0n, length: BigInt(128 * CLUSTER) }]);
  });

  it("decrypts by the place in the file, at any offset", async () => {
    const image = imageOf([BigInt(DATA + CLUSTER), 0n, BigInt(DATA)]);
    const plain = Buffer.concat([Buffer.alloc(512, "one"), Buffer.alloc(512), Buffer.alloc(512, "three")]);
    for (const [from, to] of [
      [0, DATA + CLUSTER],
      [1024, DATA],
    ] as const) {
      const sector = Buffer.from(plain.subarray(from, from + 512));
      cipher.encrypt(sector, to / 512);
      sector.copy(image, to);
    }
    const source = guestOf(image).plaintext(cipher);
    expect(source.size).toBe(BigInt(64 * CLUSTER));
    for (const [at, length] of [
      [0, 1536],
      [500, 600],
      [1025, 3],
    ] as const) {
      expect(Buffer.from(await source.read(BigInt(at), length))).toEqual(plain.subarray(at, at + length));
    }
    expect(await source.read(source.size - 5n, 100)).toEqual(new Uint8Array(5));
    expect(await source.read(source.size, 100)).toHaveLength(0);
  });

  it.each<[string, Buffer, string]>([
    ["compressed clusters", imageOf([(1n << 62n) | BigInt(DATA)]), "Qcow2CompressedClusters"],
    ["data behind the end", imageOf([BigInt(64 * CLUSTER)]), "Qcow2L1Table"],
    ["an L2 table behind the end", imageOf([], [BigInt(64 * CLUSTER)]), "Qcow2L1Table"],
    [
      "more L2 tables than clusters",
      imageOf(
        [],
        Array.from({ length: 64 }, () => BigInt(L2)),
      ),
      "Qcow2L1Table",
    ],
    ["an L2 table that is cut off", imageOf([]).subarray(0, L2 + 100), "ImageTruncated"],
  ])("refuses %s", async (_, image, code) => {
    await expect(partsOf(image)).rejects.toMatchObject({ code });
  });
});
