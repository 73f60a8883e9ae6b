import { LuksError } from "../luks-error.ts";
import {
  HEADER_BYTES,
  keyMaterialSectors,
  type LuksHeader,
  MAX_ITERATIONS,
  SECTOR,
  STRIPES,
} from "./luks-header.ts";

/** No cipher has a longer key: twice 256 bits for XTS. Twice that again is room for what is unknown here. */
const MAX_KEY_BYTES = 128;

function invalid(message: string, details: Record<string, unknown>): LuksError {
  return new LuksError("LuksHeaderInvalid", message, { details });
}

function hostile(message: string, details: Record<string, unknown>): LuksError {
  return new LuksError("LuksHeaderHostile", message, { details });
}

/** Refuses numbers that contradict each other or that would cost too much; both throw a `LuksError`. */
export function checkLayout(header: LuksHeader): void {
  checkKeySize(header);
  checkIterations(header);
  checkPlacement(header);
}

function checkKeySize({ keyBytes, keySlots }: LuksHeader): void {
  if (keyBytes === 0) throw invalid("the volume key has no bytes", { reason: "key-bytes", keyBytes });
  if (keyBytes > MAX_KEY_BYTES) {
    throw hostile(`the volume key has ${keyBytes} bytes`, { reason: "key-bytes", keyBytes });
  }
  for (const [keySlot, { stripes }] of keySlots.entries()) {
    // cryptsetup and QEMU refuse any other number, in a disabled slot as well.
    if (stripes === STRIPES) continue;
    const details = { reason: "stripes", keySlot, stripes };
    const message = `key slot ${keySlot} has ${stripes} anti-forensic stripes, not ${STRIPES}`;
    throw stripes > STRIPES ? hostile(message, details) : invalid(message, details);
  }
}

function checkIterations({ digestIterations, keySlots }: LuksHeader): void {
  const counts: [string, number][] = [["the digest", digestIterations]];
  for (const [keySlot, slot] of keySlots.entries()) {
    if (slot.active) counts.push([`key slot ${keySlot}`, slot.iterations]);
  }
  for (const [owner, iterations] of counts) {
    const details = { reason: "iterations", iterations };
    if (iterations === 0) throw invalid(`${owner} has no iterations`, details);
    if (iterations > MAX_ITERATIONS) {
      throw hostile(`${owner} asks for ${iterations} iterations, more than ${MAX_ITERATIONS}`, details);
    }
  }
}

function checkPlacement({ keyBytes, keySlots, payloadOffset }: LuksHeader): void {
  if (payloadOffset === 0) {
    throw invalid("this is a detached header (payload offset 0): its data is elsewhere", {
      reason: "detached",
    });
  }
  const areas = keySlots
    .map((slot, keySlot) => ({
      keySlot,
      start: slot.keyMaterialOffset,
      end: slot.keyMaterialOffset + keyMaterialSectors(keyBytes, slot.stripes),
    }))
    .sort((a, b) => a.start - b.start);
  let taken = Math.ceil(HEADER_BYTES / SECTOR);
  let owner = "the header";
  for (const { keySlot, start, end } of areas) {
    if (start < taken) {
      throw invalid(`the key material of slot ${keySlot} overlaps ${owner}`, { reason: "overlap", keySlot });
    }
    taken = end;
    owner = `the key material of slot ${keySlot}`;
  }
  if (payloadOffset < taken) {
    throw invalid(`the payload starts at sector ${payloadOffset}, inside ${owner}`, {
      reason: "payload",
      payloadOffset,
    });
  }
}
