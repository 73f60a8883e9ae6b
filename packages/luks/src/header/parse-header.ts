import { LuksError } from "../luks-error.ts";
import { checkLayout } from "./check-layout.ts";
import {
  DIGEST_BYTES,
  FIELD,
  HEADER_BYTES,
  KEY_SLOTS,
  type KeySlot,
  type LuksHeader,
  MAGIC,
  NAME_BYTES,
  SALT_BYTES,
  SLOT_BYTES,
  SLOT_DISABLED,
  SLOT_ENABLED,
  SLOT_FIELD,
  UUID_BYTES,
} from "./luks-header.ts";

/**
 * Reads a LUKSv1 header and refuses one that no honest writer makes. The bytes are not kept.
 *
 * The cipher is not judged here: a header whose cipher Node lacks can still be inspected.
 *
 * @param bytes - the start of the container, 592 bytes or more
 * @throws LuksError
 * - `LuksHeaderInvalid`: not LUKS, truncated, or contradictory (overlapping key material, unterminated text, ...)
 * - `LuksHeaderHostile`: would cost more than the caps allow (iterations above 12 million, absurd sizes)
 * - `LuksVersionUnsupported`: LUKS, but not version 1
 */
export function parseHeader(bytes: Uint8Array): LuksHeader {
  if (!MAGIC.every((byte, i) => bytes[i] === byte)) {
    throw new LuksError("LuksHeaderInvalid", "there is no LUKS header here: the magic bytes are missing", {
      details: { reason: "magic" },
    });
  }
  if (bytes.length < FIELD.version + 2) throw truncated(bytes.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint16(FIELD.version);
  if (version !== 1) {
    throw new LuksError("LuksVersionUnsupported", `this is a LUKS container of version ${version}, not 1`, {
      details: { version },
    });
  }
  if (bytes.length < HEADER_BYTES) throw truncated(bytes.length);
  const header: LuksHeader = {
    version,
    cipherName: readName(bytes, FIELD.cipherName, "cipher name"),
    cipherMode: readName(bytes, FIELD.cipherMode, "cipher mode"),
    hashSpec: readName(bytes, FIELD.hashSpec, "hash"),
    payloadOffset: view.getUint32(FIELD.payloadOffset),
    keyBytes: view.getUint32(FIELD.keyBytes),
    digest: copyOf(bytes, FIELD.digest, FIELD.digest + DIGEST_BYTES),
    digestSalt: copyOf(bytes, FIELD.digestSalt, FIELD.digestSalt + SALT_BYTES),
    digestIterations: view.getUint32(FIELD.digestIterations),
    uuid: terminated(bytes, FIELD.uuid, UUID_BYTES, "uuid").replaceAll(/[^\x20-\x7e]/gu, "\ufffd"),
    keySlots: Array.from({ length: KEY_SLOTS }, (_, keySlot) => readSlot(bytes, view, keySlot)),
  };
  checkLayout(header);
  return header;
}

/** A copy. `Buffer.slice` would only lend the caller's bytes. */
function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}

function truncated(length: number): LuksError {
  return new LuksError(
    "LuksHeaderInvalid",
    `a LUKS header has ${HEADER_BYTES} bytes, only ${length} are here`,
    {
      details: { reason: "truncated", length },
    },
  );
}

function readSlot(bytes: Uint8Array, view: DataView, keySlot: number): KeySlot {
  const at = FIELD.keySlots + keySlot * SLOT_BYTES;
  const state = view.getUint32(at + SLOT_FIELD.state);
  if (state !== SLOT_ENABLED && state !== SLOT_DISABLED) {
    throw new LuksError("LuksHeaderInvalid", `key slot ${keySlot} is neither enabled nor disabled`, {
      details: { reason: "slot-state", keySlot, state },
    });
  }
  return {
    active: state === SLOT_ENABLED,
    iterations: view.getUint32(at + SLOT_FIELD.iterations),
    salt: copyOf(bytes, at + SLOT_FIELD.salt, at + SLOT_FIELD.salt + SALT_BYTES),
    keyMaterialOffset: view.getUint32(at + SLOT_FIELD.keyMaterialOffset),
    stripes: view.getUint32(at + SLOT_FIELD.stripes),
  };
}

function readName(bytes: Uint8Array, at: number, field: string): string {
  const name = terminated(bytes, at, NAME_BYTES, field);
  if (!/^[\x21-\x7e]+$/u.test(name)) {
    throw new LuksError("LuksHeaderInvalid", `the header's ${field} is empty or not printable text`, {
      details: { reason: "text", field },
    });
  }
  return name;
}

function terminated(bytes: Uint8Array, at: number, length: number, field: string): string {
  const raw = bytes.subarray(at, at + length);
  const end = raw.indexOf(0);
  if (end < 0) {
    throw new LuksError("LuksHeaderInvalid", `the header's ${field} is not terminated`, {
      details: { reason: "unterminated", field },
    });
  }
  return Buffer.from(raw.subarray(0, end)).toString("latin1");
}
