import { LuksmithError, type Passphrase } from "@luksmith/core";

/** Castellan's and Barbican's limit. */
const NAME_CHARACTERS = 255;

const SPACE = 0x20;
const TILDE = 0x7e;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The JSON of `POST /v1/secrets`, put together as bytes: a passphrase that is a string once cannot be wiped. No
 * algorithm, length or mode, as castellan sends a passphrase. The caller wipes what it gets.
 *
 * @throws `InvalidRequest` for a name or passphrase that Barbican would change
 */
export function secretBody(name: string, passphrase: Passphrase): Uint8Array {
  requirePlainName(name);
  const head = Buffer.from(
    `{"name":${JSON.stringify(name)},"secret_type":"passphrase","payload_content_type":"text/plain","payload":"`,
  );
  return passphrase.use((bytes) => {
    requirePlainText(bytes);
    const escapes = bytes.reduce((count, byte) => count + (byte === QUOTE || byte === BACKSLASH ? 1 : 0), 0);
    // Not from Node's pool, which others can read when it is given out again.
    const body = new Uint8Array(head.length + bytes.length + escapes + 2);
    body.set(head);
    let at = head.length;
    for (const byte of bytes) {
      if (byte === QUOTE || byte === BACKSLASH) body[at++] = BACKSLASH;
      body[at++] = byte;
    }
    body.set(Buffer.from('"}'), at);
    return body;
  });
}

/** Barbican trims text and decodes it as UTF-8: only printable ASCII without blanks around it surely comes back verbatim. */
function requirePlainText(bytes: Uint8Array): void {
  const printable = bytes.every((byte) => byte >= SPACE && byte <= TILDE);
  if (printable && bytes[0] !== SPACE && bytes.at(-1) !== SPACE) return;
  throw new LuksmithError(
    "InvalidRequest",
    "Barbican would not give this passphrase back to the byte, since it trims text: only printable ASCII without a blank at either end is stored",
    { details: { length: bytes.length, maybeDone: false } },
  );
}

/** Barbican trims names, too; a secret under another name than was asked for would never be found again. */
function requirePlainName(name: string): void {
  if (
    name !== "" &&
    name.length <= NAME_CHARACTERS &&
    name.isWellFormed() &&
    name.trim() === name &&
    !/\p{Cc}/u.test(name)
  )
    return;
  throw new LuksmithError(
    "InvalidRequest",
    `Barbican would not keep the name ${JSON.stringify(name.slice(0, NAME_CHARACTERS))} as it is: a secret's name is 1 to ${NAME_CHARACTERS} characters without control characters or blanks at its ends`,
    { details: { length: name.length, maybeDone: false } },
  );
}
