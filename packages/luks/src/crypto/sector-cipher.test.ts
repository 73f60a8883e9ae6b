import { createCipheriv, createHash, randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { VolumeKey } from "../keys/volume-key.ts";
import { createBlockCipher } from "./block-cipher.ts";
import { createSectorCipher, sectorCipherOf } from "./sector-cipher.ts";
import { createSectorVectors } from "./sector-vectors.ts";
import { CHUNK_SECTORS, XtsKernel } from "./xts-kernel.ts";
import { createXtsReference } from "./xts-reference.ts";

const XTS = { cipherName: "aes", cipherMode: "xts-plain64" };

function littleEndian(sector: number): Buffer {
  const iv = Buffer.alloc(16);
  iv.writeBigUInt64LE(BigInt(sector));
  return iv;
}

/** What OpenSSL itself makes of sectors, one cipher object for each. */
function perSector(
  algorithm: string,
  key: Uint8Array,
  data: Uint8Array,
  ivOf: (sector: number) => Uint8Array | null,
  first: number,
): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < data.length / 512; i++) {
    const cipher = createCipheriv(algorithm, key, ivOf(first + i)).setAutoPadding(false);
    parts.push(cipher.update(data.subarray(i * 512, (i + 1) * 512)));
  }
  return Buffer.concat(parts);
}

const counting = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i & 0xff));

describe("known answers", () => {
  // IEEE 1619-2007, annex B, vectors 4 and 10: a 512-byte data unit each.
  it.each([
    {
      bits: 128,
      key: "2718281828459045235360287471352631415926535897932384626433832795",
      sector: 0,
      start: "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c",
    },
    {
      bits: 256,
      key:
        "2718281828459045235360287471352662497757247093699959574966967627" +
        "3141592653589793238462643383279502884197169399375105820974944592",
      sector: 0xff,
      start: "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b",
    },
  ])("XTS-AES-$bits of IEEE 1619", ({ bits, key, sector, start }) => {
    const data = counting(512);
    const secret = Buffer.from(key, "hex");
    sectorCipherOf(XTS, secret).encrypt(data, sector);
    expect(data.subarray(0, 32).toString("hex")).toBe(start);
    expect(data).toEqual(perSector(`aes-${bits}-xts`, secret, counting(512), littleEndian, sector));
  });
});

describe("XTS", () => {
  const key = randomBytes(64);
  const cipher = sectorCipherOf(XTS, key);

  it.each([1, 2, 3, CHUNK_SECTORS - 1, CHUNK_SECTORS, CHUNK_SECTORS + 1, 3 * CHUNK_SECTORS + 7])(
    "kernel, reference and OpenSSL agree on %i sectors",
    (sectors) => {
      for (const first of [0, 1, 2 ** 32 - 2, 2 ** 32, 2 ** 45 + 3]) {
        const plain = randomBytes(sectors * 512);
        const fast = Buffer.from(plain);
        cipher.encrypt(fast, first);
        expect(fast.equals(perSector("aes-256-xts", key, plain, littleEndian, first))).toBe(true);
        const slow = Buffer.from(plain);
        createXtsReference(
          createBlockCipher("aes-256-ecb", key.subarray(0, 32), "encrypt"),
          createBlockCipher("aes-256-ecb", key.subarray(32), "encrypt"),
          createSectorVectors({ kind: "plain64" }, "aes", key, CHUNK_SECTORS),
        )(slow, first);
        expect(fast.equals(slow)).toBe(true);
        cipher.decrypt(fast, first);
        expect(fast.equals(plain)).toBe(true);
      }
    },
  );

  it("does the same to data in the kernel's own memory", () => {
    const kernel = new XtsKernel(CHUNK_SECTORS * 1024);
    const plain = randomBytes(kernel.buffers.length);
    kernel.buffers.set(plain);
    sectorCipherOf(XTS, key, { kernel }).encrypt(kernel.buffers, 77);
    cipher.encrypt(plain, 77);
    expect(Buffer.from(kernel.buffers).equals(plain)).toBe(true);
    kernel.wipe();
    expect(kernel.buffers.every((byte) => byte === 0)).toBe(true);
  });

  it("treats every sector on its own (property)", () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), fc.integer({ min: 1, max: 20 }), fc.nat(19), (first, sectors, pick) => {
        const at = pick % sectors;
        const all = randomBytes(sectors * 512);
        const one = Buffer.from(all.subarray(at * 512, (at + 1) * 512));
        cipher.encrypt(all, first);
        cipher.encrypt(one, first + at);
        expect(one.equals(all.subarray(at * 512, (at + 1) * 512))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it("writes into `out` and leaves the input alone", () => {
    const plain = randomBytes(1024);
    const input = Buffer.from(plain);
    const out = new Uint8Array(1024);
    cipher.encrypt(input, 5, out);
    expect(input).toEqual(plain);
    cipher.decrypt(out, 5);
    expect(Buffer.from(out)).toEqual(plain);
  });

  it("refuses parts of sectors and impossible numbers", () => {
    expect(() => cipher.encrypt(new Uint8Array(511), 0)).toThrow(/whole sectors/);
    expect(() => cipher.encrypt(new Uint8Array(512), 0, new Uint8Array(1024))).toThrow(/whole sectors/);
    for (const sector of [-1, 0.5, 2 ** 53, Number.NaN]) {
      expect(() => cipher.decrypt(new Uint8Array(512), sector)).toThrow(/sector number/);
    }
  });

  it("keeps working after its volume key is wiped", () => {
    const volumeKey = VolumeKey.take(Buffer.from(key), XTS);
    const own = createSectorCipher(volumeKey);
    volumeKey[Symbol.dispose]();
    const [a, b] = [counting(512), counting(512)];
    own.encrypt(a, 9);
    cipher.encrypt(b, 9);
    expect(a).toEqual(b);
  });
});

describe("other modes, against OpenSSL one sector at a time", () => {
  const plain32 = (sector: number): Buffer => littleEndian(sector % 2 ** 32);
  const bigEndian = (sector: number): Buffer => {
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64BE(BigInt(sector), 8);
    return iv;
  };
  const essiv =
    (key: Uint8Array, family = "aes") =>
    (sector: number): Buffer => {
      const salt = createHash("sha256").update(key).digest();
      return createCipheriv(`${family}-256-ecb`, salt, null)
        .setAutoPadding(false)
        .update(littleEndian(sector));
    };

  it.each([
    { name: "aes", mode: "cbc-essiv:sha256", bytes: 32, algorithm: "aes-256-cbc", iv: essiv },
    { name: "aes", mode: "cbc-essiv:sha256", bytes: 16, algorithm: "aes-128-cbc", iv: essiv },
    { name: "aes", mode: "cbc-plain64", bytes: 24, algorithm: "aes-192-cbc", iv: () => littleEndian },
    { name: "aes", mode: "cbc-plain", bytes: 32, algorithm: "aes-256-cbc", iv: () => plain32 },
    { name: "aes", mode: "cbc-plain64be", bytes: 32, algorithm: "aes-256-cbc", iv: () => bigEndian },
    { name: "aes", mode: "ecb", bytes: 32, algorithm: "aes-256-ecb", iv: () => () => null },
    { name: "aes", mode: "xts-plain", bytes: 64, algorithm: "aes-256-xts", iv: () => plain32 },
    { name: "aes", mode: "xts-plain64:sha256", bytes: 64, algorithm: "aes-256-xts", iv: () => littleEndian },
    { name: "AES", mode: "XTS-PLAIN64", bytes: 32, algorithm: "aes-128-xts", iv: () => littleEndian },
    {
      name: "camellia",
      mode: "cbc-plain64",
      bytes: 32,
      algorithm: "camellia-256-cbc",
      iv: () => littleEndian,
    },
  ])("$name-$mode with $bytes bytes", ({ name, mode, bytes, algorithm, iv }) => {
    const key = randomBytes(bytes);
    const cipher = sectorCipherOf({ cipherName: name, cipherMode: mode }, key);
    for (const first of [0, 1, 2 ** 32 - 2, 2 ** 40 + 5]) {
      const plain = randomBytes(512 * (CHUNK_SECTORS + 3));
      const data = Buffer.from(plain);
      cipher.encrypt(data, first);
      expect(data.equals(perSector(algorithm, key, plain, iv(key), first))).toBe(true);
      cipher.decrypt(data, first);
      expect(data.equals(plain)).toBe(true);
    }
  });

  it.each([
    ["serpent", "xts-plain64", 64],
    ["aes", "xts-benbi", 64],
    ["aes", "ctr-plain64", 32],
    ["aes", "xts-plain64", 40],
    ["aes", "cbc-essiv:md5", 32],
    ["aes", "cbc", 32],
    ["cipher_null", "ecb", 16],
  ])("refuses %s-%s with %i bytes", (cipherName, cipherMode, bytes) => {
    expect(() => sectorCipherOf({ cipherName, cipherMode }, randomBytes(bytes))).toThrow(
      expect.objectContaining({ code: "LuksCipherUnsupported" }),
    );
  });
});
