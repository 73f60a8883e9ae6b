import { randomBytes, randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatContainer } from "../format-container.ts";
import { LUKS_ERROR_CODES, LuksError } from "../luks-error.ts";
import { GeneratedPassphrase } from "../passphrase.ts";
import {
  activeAreaBytes,
  FIELD,
  HEADER_BYTES,
  type LuksHeader,
  SLOT_BYTES,
  SLOT_FIELD,
} from "./luks-header.ts";
import { parseHeader } from "./parse-header.ts";
import { serializeHeader } from "./serialize-header.ts";

function sample(): LuksHeader {
  using passphrase = GeneratedPassphrase.create();
  const { header, volumeKey } = formatContainer({ uuid: randomUUID(), passphrase });
  volumeKey[Symbol.dispose]();
  return header;
}

const name = fc.stringMatching(/^[!-~]{1,31}$/);
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const slot = fc.record({
  active: fc.boolean(),
  iterations: fc.integer({ min: 1, max: 12_000_000 }),
  salt: bytes(32),
});
const fields = fc.record({
  cipherName: name,
  cipherMode: name,
  hashSpec: name,
  keyBytes: fc.constantFrom(16, 24, 32, 48, 64),
  digest: bytes(20),
  digestSalt: bytes(32),
  digestIterations: fc.integer({ min: 1, max: 12_000_000 }),
  uuid: fc.stringMatching(/^[ -~]{0,39}$/),
});

/** A valid header: eight slots with the same gap between them, and the payload after the last. */
const header = fc
  .tuple(fields, fc.array(slot, { minLength: 8, maxLength: 8 }), fc.nat(100_000))
  .map(([rest, slots, gap]): LuksHeader => {
    const keySlots = slots.map((chosen, i) =>
      Object.assign(chosen, { keyMaterialOffset: 8 + i * (504 + gap), stripes: 4000 }),
    );
    return Object.assign(rest, { version: 1, keySlots, payloadOffset: 8 + 8 * (504 + gap) } as const);
  });

/** The code that a header is refused with, or that it was parsed. */
function verdict(raw: Uint8Array): string {
  try {
    parseHeader(raw);
    return "parsed";
  } catch (error) {
    return error instanceof LuksError ? error.code : String(error);
  }
}

describe("parseHeader and serializeHeader", () => {
  it("are each other's inverse", () => {
    fc.assert(
      fc.property(header, (original) => {
        const written = serializeHeader(original);
        expect(written).toHaveLength(HEADER_BYTES);
        expect(parseHeader(written)).toEqual(original);
      }),
    );
  });

  it("copy what they read, from a Buffer as well", () => {
    const raw = Buffer.from(serializeHeader(sample()));
    const parsed = parseHeader(raw);
    const before = structuredClone(parsed);
    raw.fill(0);
    expect(parsed).toEqual(before);
  });

  it("end in a LuksError or a header on any bytes", () => {
    const known = ["parsed", ...Object.keys(LUKS_ERROR_CODES)];
    const valid = serializeHeader(sample());
    const change = fc.tuple(fc.nat(HEADER_BYTES - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 700 }),
        fc.array(change, { maxLength: 20 }),
        (noise, changes) => {
          expect(known).toContain(verdict(noise));
          const damaged = new Uint8Array(valid);
          for (const [at, value] of changes) damaged[at] = value;
          expect(known).toContain(verdict(damaged));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("hide characters of the uuid that do not print", () => {
    const raw = serializeHeader(sample());
    raw.set(Buffer.from("\u001b[31mx\0", "latin1"), FIELD.uuid);
    expect(parseHeader(raw).uuid).toBe("\ufffd[31mx");
  });
});

describe("activeAreaBytes", () => {
  it("ends with the highest active slot's key material", () => {
    const original = sample();
    const activate = (active: number[]) => ({
      ...original,
      keySlots: original.keySlots.map((s, i) => Object.assign({}, s, { active: active.includes(i) })),
    });
    expect(activeAreaBytes(activate([]))).toBe(592);
    expect(activeAreaBytes(activate([0]))).toBe(8 * 512 + 256_000);
    expect(activeAreaBytes(activate([1, 5]))).toBe((8 + 5 * 504) * 512 + 256_000);
  });
});

describe("hostile headers", () => {
  type Damage = (raw: DataView, text: (at: number, value: string) => void) => void;
  const slotAt = (i: number, field: keyof typeof SLOT_FIELD) =>
    FIELD.keySlots + i * SLOT_BYTES + SLOT_FIELD[field];
  const set =
    (at: number, value: number): Damage =>
    (raw) =>
      raw.setUint32(at, value);
  const text =
    (at: number, value: string): Damage =>
    (_raw, put) =>
      put(at, value);

  const cases: [string, string, Damage][] = [
    ["bad magic", "LuksHeaderInvalid", set(FIELD.magic, 0x4c55_4b00)],
    ["version 0", "LuksVersionUnsupported", (raw) => raw.setUint16(FIELD.version, 0)],
    ["version 2", "LuksVersionUnsupported", (raw) => raw.setUint16(FIELD.version, 2)],
    ["cipher name unterminated", "LuksHeaderInvalid", text(FIELD.cipherName, "a".repeat(32))],
    ["cipher mode unterminated", "LuksHeaderInvalid", text(FIELD.cipherMode, "a".repeat(32))],
    ["hash unterminated", "LuksHeaderInvalid", text(FIELD.hashSpec, "a".repeat(32))],
    ["uuid unterminated", "LuksHeaderInvalid", text(FIELD.uuid, "a".repeat(40))],
    ["cipher name empty", "LuksHeaderInvalid", text(FIELD.cipherName, "\0")],
    ["cipher mode with a control character", "LuksHeaderInvalid", text(FIELD.cipherMode, "xts\u001b[0m\0")],
    ["hash with a path", "LuksHeaderInvalid", text(FIELD.hashSpec, "sha 256\0")],
    ["no volume key", "LuksHeaderInvalid", set(FIELD.keyBytes, 0)],
    ["a volume key of 4 GiB", "LuksHeaderHostile", set(FIELD.keyBytes, 0xffff_ffff)],
    ["a volume key of 129 bytes", "LuksHeaderHostile", set(FIELD.keyBytes, 129)],
    ["digest without iterations", "LuksHeaderInvalid", set(FIELD.digestIterations, 0)],
    ["digest with four billion iterations", "LuksHeaderHostile", set(FIELD.digestIterations, 0xffff_ffff)],
    ["active slot without iterations", "LuksHeaderInvalid", set(slotAt(0, "iterations"), 0)],
    ["active slot with 12 000 001 iterations", "LuksHeaderHostile", set(slotAt(0, "iterations"), 12_000_001)],
    ["slot neither enabled nor disabled", "LuksHeaderInvalid", set(slotAt(3, "state"), 0x1234)],
    ["stripes 0", "LuksHeaderInvalid", set(slotAt(0, "stripes"), 0)],
    ["stripes 1", "LuksHeaderInvalid", set(slotAt(0, "stripes"), 1)],
    ["stripes 0 in a disabled slot", "LuksHeaderInvalid", set(slotAt(7, "stripes"), 0)],
    ["stripes 4001", "LuksHeaderHostile", set(slotAt(0, "stripes"), 4001)],
    ["stripes of 4 billion", "LuksHeaderHostile", set(slotAt(0, "stripes"), 0xffff_ffff)],
    ["key material at sector 0", "LuksHeaderInvalid", set(slotAt(0, "keyMaterialOffset"), 0)],
    ["key material inside the header", "LuksHeaderInvalid", set(slotAt(0, "keyMaterialOffset"), 1)],
    ["two slots at one place", "LuksHeaderInvalid", set(slotAt(1, "keyMaterialOffset"), 8)],
    ["slots that overlap by a sector", "LuksHeaderInvalid", set(slotAt(0, "keyMaterialOffset"), 13)],
    ["a slot beyond the payload", "LuksHeaderInvalid", set(slotAt(7, "keyMaterialOffset"), 4096)],
    [
      "key material that wraps around 2^32",
      "LuksHeaderInvalid",
      set(slotAt(7, "keyMaterialOffset"), 0xffff_ffff),
    ],
    ["payload inside key material", "LuksHeaderInvalid", set(FIELD.payloadOffset, 4035)],
    ["payload inside the header", "LuksHeaderInvalid", set(FIELD.payloadOffset, 1)],
    ["a detached header", "LuksHeaderInvalid", set(FIELD.payloadOffset, 0)],
  ];

  it.each(cases)("%s: %s", (_what, code, damage) => {
    const raw = serializeHeader(sample());
    damage(new DataView(raw.buffer), (at, value) => raw.set(Buffer.from(value, "latin1"), at));
    expect(() => parseHeader(raw)).toThrow(expect.objectContaining({ code }));
  });

  it("truncated ones, by a byte and to nothing", () => {
    const raw = serializeHeader(sample());
    for (const length of [0, 5, 6, 7, 8, 591]) {
      expect(() => parseHeader(raw.subarray(0, length))).toThrow(
        expect.objectContaining({ code: "LuksHeaderInvalid" }),
      );
    }
  });

  it("says that a detached header is one", () => {
    const raw = serializeHeader(sample());
    new DataView(raw.buffer).setUint32(FIELD.payloadOffset, 0);
    expect(() => parseHeader(raw)).toThrow(/detached/);
  });

  it("accepts the payload right after the last key material, also for tiny keys", () => {
    const raw = serializeHeader(sample());
    const view = new DataView(raw.buffer);
    view.setUint32(FIELD.payloadOffset, 4036);
    expect(parseHeader(raw).payloadOffset).toBe(4036);
    view.setUint32(FIELD.keyBytes, 16);
    view.setUint32(FIELD.payloadOffset, 4035);
    expect(parseHeader(raw).payloadOffset).toBe(4035);
  });

  it("are not written either", () => {
    const good = sample();
    const refuse = (bad: LuksHeader) =>
      expect(() => serializeHeader(bad)).toThrow(expect.objectContaining({ code: "LuksHeaderInvalid" }));
    refuse({ ...good, payloadOffset: 100 });
    refuse({ ...good, cipherName: "a".repeat(32) });
    refuse({ ...good, uuid: "n\u00fcl" });
    refuse({ ...good, digest: randomBytes(21) });
    refuse({ ...good, keySlots: good.keySlots.slice(0, 7) });
  });
});
