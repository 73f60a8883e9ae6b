import { timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

const REDACTED = "[redacted]";

/** The cipher that a volume key belongs to, in the words of the header. */
export interface CipherNames {
  readonly cipherName: string;
  readonly cipherMode: string;
}

/**
 * The key that a container's data is encrypted with, in one wipeable buffer. It prints as `[redacted]` in strings, JSON,
 * `util.inspect` and logs. Whoever receives it owns it and disposes it (`using`).
 */
export class VolumeKey implements Disposable, CipherNames {
  readonly cipherName: string;
  readonly cipherMode: string;
  readonly #bytes: Uint8Array;
  #wiped = false;

  private constructor(bytes: Uint8Array, { cipherName, cipherMode }: CipherNames) {
    this.#bytes = Uint8Array.from(bytes);
    this.cipherName = cipherName;
    this.cipherMode = cipherMode;
  }

  /** Takes the bytes of `source` and wipes `source`. */
  static take(source: Uint8Array, cipher: CipherNames): VolumeKey {
    try {
      return new VolumeKey(source, cipher);
    } finally {
      source.fill(0);
    }
  }

  /** Bytes. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Lends the bytes to `read`, which must neither keep nor change them. Throws once the key is disposed. */
  use<T>(read: (bytes: Uint8Array) => T): T {
    if (this.#wiped) throw new Error("this volume key was already wiped");
    return read(this.#bytes);
  }

  /** Compares the bytes in constant time. */
  equals(other: VolumeKey): boolean {
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
