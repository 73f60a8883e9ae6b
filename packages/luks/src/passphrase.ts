import { randomFillSync, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const REDACTED = "[redacted]";

/** Bytes of entropy in a generated passphrase, before base64. */
const GENERATED_BYTES = 64;

/** Below that, nobody could do without key stretching. */
const LEAST_KEY_BITS = 128;

/**
 * A passphrase that opens a key slot, held in one wipeable buffer. The only home of secrets in this project: it prints
 * as `[redacted]` in strings, JSON, `util.inspect` and logs. The creator owns it and disposes it (`using`); every
 * method throws after that.
 */
export class Passphrase implements Disposable {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /** Copies `bytes` (1 to 65 536 of them, used verbatim: a trailing newline counts); the caller wipes its own copy. */
  constructor(bytes: Uint8Array) {
    if (bytes.length === 0 || bytes.length > 65_536) {
      throw new RangeError(`a passphrase has 1 to 65536 bytes, not ${bytes.length}`);
    }
    this.#bytes = Uint8Array.from(bytes);
  }

  /** Takes the bytes of `source` and wipes `source`. */
  static take(source: Uint8Array): Passphrase {
    try {
      return new Passphrase(source);
    } finally {
      source.fill(0);
    }
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Whether it was disposed. */
  get isWiped(): boolean {
    return this.#wiped;
  }

  /** Lends the bytes to `read`, which must neither keep nor change them. */
  use<T>(read: (bytes: Uint8Array) => T): T {
    if (this.#wiped) throw new Error("this passphrase was already wiped");
    return read(this.#bytes);
  }

  /** Compares in constant time. */
  equals(other: Passphrase): boolean {
    return this.use((mine) =>
      other.use((theirs) => mine.length === theirs.length && timingSafeEqual(mine, theirs)),
    );
  }

  [Symbol.dispose](): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}

/**
 * A passphrase that Luksmith made: 64 bytes of the OS random source as base64 text (88 characters, no newline). It
 * carries 512 random bits, so key stretching buys nothing: only this type is accepted with the format's floor of 1000
 * PBKDF2 iterations. The same holds for the hexadecimal keys of `hexKey`.
 */
export class GeneratedPassphrase extends Passphrase {
  // oxlint-disable-next-line no-unused-private-class-members -- a brand: `is` only looks whether it is there
  readonly #generated = true;

  private constructor(bytes: Uint8Array) {
    super(bytes);
  }

  static create(): GeneratedPassphrase {
    const random = randomFillSync(new Uint8Array(GENERATED_BYTES));
    const text = encodeBase64(random);
    try {
      return new GeneratedPassphrase(text);
    } finally {
      random.fill(0);
      text.fill(0);
    }
  }

  /**
   * A symmetric key of `bits` (a multiple of 8, 128 at least) as lowercase hexadecimal text: what Nova gives to dm-crypt.
   */
  static hexKey(bits: number): GeneratedPassphrase {
    if (!Number.isInteger(bits / 8) || bits < LEAST_KEY_BITS) {
      throw new RangeError(`a key has ${LEAST_KEY_BITS} bits at least, in whole bytes, not ${bits}`);
    }
    const random = randomFillSync(new Uint8Array(bits / 8));
    const text = encodeHex(random);
    try {
      return new GeneratedPassphrase(text);
    } finally {
      random.fill(0);
      text.fill(0);
    }
  }

  /**
   * One that Luksmith made earlier, as the key manager gave it back; the caller disposes both. Only for who knows by
   * records of its own that it was Luksmith who made it: the form proves nothing, and is only a check of those records.
   * @throws RangeError: it has not the form of a generated one
   */
  static recall(stored: Passphrase): GeneratedPassphrase {
    return stored.use((bytes) => {
      if (hasGeneratedForm(bytes)) return new GeneratedPassphrase(bytes);
      throw new RangeError("this is not the base64 text of 64 bytes, as Luksmith makes passphrases");
    });
  }

  /** Whether `value` is one, by private brand and not by shape. */
  static is(value: Passphrase): value is GeneratedPassphrase {
    return #generated in value;
  }
}

/** 88 characters of base64, of which the last two are padding. */
function hasGeneratedForm(bytes: Uint8Array): boolean {
  const digits = Math.ceil((GENERATED_BYTES * 8) / 6);
  if (bytes.length !== Math.ceil(GENERATED_BYTES / 3) * 4) return false;
  return bytes.every((byte, at) => (at < digits ? ALPHABET.includes(byte) : byte === PAD));
}

const ALPHABET = Uint8Array.from(
  Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
);
const PAD = 0x3d;

/** Base64 (RFC 4648) into a buffer: `Buffer.toString` would leave the secret in an immutable, unwipeable string. */
function encodeBase64(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4).fill(PAD);
  for (let i = 0, o = 0; i < bytes.length; i += 3, o += 4) {
    const left = bytes.length - i;
    const word =
      ((bytes[i] ?? 0) << 16) |
      ((left > 1 ? (bytes[i + 1] ?? 0) : 0) << 8) |
      (left > 2 ? (bytes[i + 2] ?? 0) : 0);
    out[o] = ALPHABET[word >> 18] ?? 0;
    out[o + 1] = ALPHABET[(word >> 12) & 63] ?? 0;
    if (left > 1) out[o + 2] = ALPHABET[(word >> 6) & 63] ?? 0;
    if (left > 2) out[o + 3] = ALPHABET[word & 63] ?? 0;
  }
  return out;
}

const DIGITS = Uint8Array.from(Buffer.from("0123456789abcdef"));

/** Hexadecimal into a buffer, for the same reason. */
function encodeHex(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(bytes.length * 2);
  for (const [index, byte] of bytes.entries()) {
    out[index * 2] = DIGITS[byte >> 4] ?? 0;
    out[index * 2 + 1] = DIGITS[byte & 15] ?? 0;
  }
  return out;
}
