import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { GeneratedPassphrase, Passphrase } from "./passphrase.ts";

const text = (p: Passphrase): string => p.use((bytes) => Buffer.from(bytes).toString("latin1"));

describe("Passphrase", () => {
  it("invariant 2: prints as [redacted] everywhere", () => {
    using secret = Passphrase.take(Buffer.from("s3cret-canary"));
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }, { depth: 9, showHidden: true }),
      // oxlint-disable-next-line typescript/restrict-template-expressions -- what a careless caller would write
      `${secret}`,
    ];
    for (const output of shown) {
      expect(output).toContain("[redacted]");
      expect(output).not.toContain("s3cret-canary");
    }
  });

  it("takes the bytes away from their source", () => {
    const source = Buffer.from("s3cret");
    using secret = Passphrase.take(source);
    expect(source.every((byte) => byte === 0)).toBe(true);
    expect(text(secret)).toBe("s3cret");
  });

  it("is wiped after use", () => {
    const secret = GeneratedPassphrase.create();
    let seen: Uint8Array = new Uint8Array();
    secret.use((bytes) => (seen = bytes));
    secret[Symbol.dispose]();
    expect(seen.every((byte) => byte === 0)).toBe(true);
    expect(() => secret.use(() => 1)).toThrow(/wiped/);
  });

  it("refuses an empty one, which QEMU would accept", () => {
    expect(() => new Passphrase(new Uint8Array())).toThrow(RangeError);
  });
});

describe("GeneratedPassphrase", () => {
  it("is 64 random bytes as canonical base64 text, 88 characters without a newline", () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      using secret = GeneratedPassphrase.create();
      const value = text(secret);
      expect(value).toMatch(/^[A-Za-z0-9+/]{86}==$/);
      expect(Buffer.from(value, "base64").toString("base64")).toBe(value);
      seen.add(value);
    }
    expect(seen.size).toBe(200);
  });

  it("is told from a supplied one by brand, not by shape", () => {
    using generated = GeneratedPassphrase.create();
    using copy = generated.use((bytes) => new Passphrase(bytes));
    expect(GeneratedPassphrase.is(generated)).toBe(true);
    expect(GeneratedPassphrase.is(copy)).toBe(false);
    expect(copy.equals(generated)).toBe(true);
  });

  it("is recalled from what a key manager gave back, and nothing else is", () => {
    using generated = GeneratedPassphrase.create();
    using stored = generated.use((bytes) => new Passphrase(bytes));
    using recalled = GeneratedPassphrase.recall(stored);
    expect(GeneratedPassphrase.is(recalled)).toBe(true);
    expect(recalled.equals(generated)).toBe(true);
    const lines = [
      text(generated) + "\n",
      text(generated).slice(1),
      "s3cret",
      `${"A".repeat(87)}=`,
      "=".repeat(88),
    ];
    for (const line of lines) {
      using other = new Passphrase(Buffer.from(line));
      expect(() => GeneratedPassphrase.recall(other)).toThrow(RangeError);
    }
  });
});

it("a hexadecimal key has its bits, and is a generated one", () => {
  using key = GeneratedPassphrase.hexKey(256);
  using other = GeneratedPassphrase.hexKey(256);
  key.use((bytes) => expect(Buffer.from(bytes).toString("latin1")).toMatch(/^[0-9a-f]{64}$/u));
  expect(key.equals(other)).toBe(false);
  expect(GeneratedPassphrase.is(key)).toBe(true);
  for (const bits of [0, 64, 129]) expect(() => GeneratedPassphrase.hexKey(bits)).toThrow(RangeError);
});
