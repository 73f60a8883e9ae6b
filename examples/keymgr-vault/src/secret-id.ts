import { createHash, randomBytes } from "node:crypto";
import { LuksmithError } from "@luksmith/core";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** The longest that every key manager takes. */
const NAME_CHARACTERS = 255;
/** Vault's limit for a value of custom metadata. */
const NAME_BYTES = 512;

/**
 * A new id for a secret of this name. We choose it, so that storing it twice is storing it once. Its first 8 digits are
 * of the name's digest, and are its folder: Vault finds nothing by name, but lists a folder.
 */
export function newId(name: string): string {
  const bytes = Buffer.concat([digestOf(name), randomBytes(12)]);
  // RFC 9562: version 8 is for those who have their own idea of an id.
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Where secrets of this name are, and perhaps of a few others. */
export function folderOfName(name: string): string {
  return digestOf(name).toString("hex");
}

/** `FOLDER/ID` in our prefix; undefined for what can be no id of ours, and is not there. */
export function pathOfId(text: string): string | undefined {
  const id = text.toLowerCase();
  return UUID.test(id) ? `${id.slice(0, 8)}/${id}` : undefined;
}

/** @throws `InvalidRequest` for what Vault would refuse or change */
export function requireName(name: string): void {
  const fits = name !== "" && name.length <= NAME_CHARACTERS && Buffer.byteLength(name) <= NAME_BYTES;
  if (fits && name.isWellFormed() && !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) return;
  throw new LuksmithError(
    "InvalidRequest",
    `a secret's name is 1 to ${NAME_CHARACTERS} printable characters, of ${NAME_BYTES} bytes at most`,
    { details: { length: name.length, maybeDone: false } },
  );
}

function digestOf(name: string): Buffer {
  return createHash("sha256").update(name).digest().subarray(0, 4);
}
