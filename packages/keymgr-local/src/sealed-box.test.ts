import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { seal, unseal } from "./sealed-box.ts";

const key = randomBytes(32);
const plain = Buffer.from("a passphrase");
const binding = ["ab", "c"];

describe("sealed box", () => {
  test("opens with the key and the binding it was sealed with", () => {
    expect(unseal(key, seal(key, plain, binding), binding)).toEqual(plain);
  });

  test("never repeats a nonce or a ciphertext", () => {
    const boxes = Array.from({ length: 100 }, () => seal(key, plain, binding));
    expect(new Set(boxes.map(({ nonce }) => Buffer.from(nonce).toString("hex"))).size).toBe(100);
    expect(new Set(boxes.map(({ wrapped }) => Buffer.from(wrapped).toString("hex"))).size).toBe(100);
  });

  test.each([[["a", "bc"]], [["abc"]], [["ab", "c", ""]], [["", "ab", "c"]], [["c", "ab"]], [[]]])(
    "does not open for the binding %j",
    (other) => {
      expect(unseal(key, seal(key, plain, binding), other)).toBeUndefined();
    },
  );

  test("does not open with another key", () => {
    expect(unseal(randomBytes(32), seal(key, plain, binding), binding)).toBeUndefined();
  });

  test("does not open when any bit of it was changed", () => {
    const box = seal(key, plain, binding);
    for (const part of [box.nonce, box.wrapped]) {
      for (let bit = 0; bit < part.length * 8; bit++) {
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(unseal(key, box, binding)).toBeUndefined();
        part[bit >> 3] = (part[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      }
    }
    expect(unseal(key, box, binding)).toEqual(plain);
  });

  test.each([0, 1, 15, 16])("does not open a box cut to %i bytes", (length) => {
    const { nonce, wrapped } = seal(key, plain, binding);
    expect(unseal(key, { nonce, wrapped: wrapped.subarray(0, length) }, binding)).toBeUndefined();
    expect(unseal(key, { nonce: nonce.subarray(0, 8), wrapped }, binding)).toBeUndefined();
  });
});
