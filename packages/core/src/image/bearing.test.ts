import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { BEARING_BYTES, bearingOf } from "./bearing.ts";

const UNKNOWN = { uuid: undefined, keySlots: undefined };
const ERASED = { uuid: undefined, keySlots: 0 };

test("noise instead of a header is an erasure, whatever the noise", () => {
  for (let i = 0; i < 2000; i++) expect(bearingOf(randomBytes(BEARING_BYTES))).toEqual(ERASED);
});

test("what somebody else has put there is not", () => {
  const zeros = Buffer.alloc(BEARING_BYTES);
  // As LUKS2 has it: a magic, a label, a salt and a checksum of 64 bytes each.
  const luks2 = Buffer.concat([
    Buffer.from("LUKS\xba\xbe\0\x02", "latin1"),
    randomBytes(64),
    zeros,
    randomBytes(64),
  ]);
  const partitioned = Buffer.concat([randomBytes(440), zeros]).subarray(0, BEARING_BYTES);
  for (const bytes of [
    zeros,
    luks2.subarray(0, BEARING_BYTES),
    Buffer.alloc(BEARING_BYTES, "text "),
    randomBytes(100),
  ])
    expect(bearingOf(bytes)).toEqual(UNKNOWN);
  expect(bearingOf(partitioned.fill(0, 200))).toEqual(UNKNOWN);
});
