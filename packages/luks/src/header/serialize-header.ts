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
 * Writes a header as the 592 bytes of a phdr, numbers big-endian and text padded with NUL. What `parseHeader` could not
 * show of a uuid becomes `?`: also an odd container can be erased.
 *
 * @throws LuksError `LuksHeaderInvalid` or `LuksHeaderHostile` for a header that `parseHeader` would refuse
 */
export function serializeHeader(header: LuksHeader): Uint8Array<ArrayBuffer> {
  checkLayout(header);
  if (header.keySlots.length !== KEY_SLOTS)
    throw unwritable("keySlots", `a header has ${KEY_SLOTS} key slots`);
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, FIELD.magic);
  view.setUint16(FIELD.version, header.version);
  putText(bytes, FIELD.cipherName, NAME_BYTES, header.cipherName);
  putText(bytes, FIELD.cipherMode, NAME_BYTES, header.cipherMode);
  putText(bytes, FIELD.hashSpec, NAME_BYTES, header.hashSpec);
  view.setUint32(FIELD.payloadOffset, header.payloadOffset);
  view.setUint32(FIELD.keyBytes, header.keyBytes);
  putBytes(bytes, FIELD.digest, DIGEST_BYTES, header.digest);
  putBytes(bytes, FIELD.digestSalt, SALT_BYTES, header.digestSalt);
  view.setUint32(FIELD.digestIterations, header.digestIterations);
  const uuid = header.uuid.replaceAll("\ufffd", "?");
  if (uuid !== "") putText(bytes, FIELD.uuid, UUID_BYTES, uuid);
  for (const [keySlot, slot] of header.keySlots.entries()) putSlot(bytes, keySlot, slot);
  return bytes;
}

/** Overwrites the descriptor of one key slot in the bytes of a header, and nothing else. */
export function putSlot(bytes: Uint8Array, keySlot: number, slot: KeySlot): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = FIELD.keySlots + keySlot * SLOT_BYTES;
  view.setUint32(at + SLOT_FIELD.state, slot.active ? SLOT_ENABLED : SLOT_DISABLED);
  view.setUint32(at + SLOT_FIELD.iterations, slot.iterations);
  putBytes(bytes, at + SLOT_FIELD.salt, SALT_BYTES, slot.salt);
  view.setUint32(at + SLOT_FIELD.keyMaterialOffset, slot.keyMaterialOffset);
  view.setUint32(at + SLOT_FIELD.stripes, slot.stripes);
}

function putBytes(bytes: Uint8Array, at: number, length: number, value: Uint8Array): void {
  if (value.length !== length) throw unwritable("length", `expected ${length} bytes, got ${value.length}`);
  bytes.set(value, at);
}

function putText(bytes: Uint8Array, at: number, length: number, text: string): void {
  if (!/^[\x20-\x7e]+$/u.test(text) || text.length >= length) {
    throw unwritable("text", `text in a header has 1 to ${length - 1} printable ASCII characters`);
  }
  bytes.set(Buffer.from(text, "latin1"), at);
}

function unwritable(reason: string, message: string): LuksError {
  return new LuksError("LuksHeaderInvalid", message, { details: { reason } });
}
