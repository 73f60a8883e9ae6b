/** What was received is not what the protocol says. Never leaves this package. */
export class XdrError extends Error {}

/** libvirt's own bound on strings. */
const MAX_STRING_BYTES = 4 * 1024 * 1024;

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads XDR (RFC 4506) as libvirt uses it. Every method throws `XdrError` when the bytes do not hold what is asked. */
export class XdrReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    return this.#view.getInt32(this.#take(4));
  }

  uint(): number {
    return this.#view.getUint32(this.#take(4));
  }

  hyper(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  string(): string {
    return UTF8.decode(this.opaque(MAX_STRING_BYTES));
  }

  /** A pointer in libvirt's notation: a flag, then perhaps the value. */
  optional<T>(read: (reader: this) => T): T | undefined {
    const flag = this.uint();
    if (flag > 1) throw new XdrError(`${flag} where 0 or 1 must be`);
    return flag === 1 ? read(this) : undefined;
  }

  /** Bytes with their length before them; a view, not a copy. */
  opaque(max: number): Uint8Array {
    const length = this.uint();
    if (length > max) throw new XdrError(`${length} bytes where at most ${max} may be`);
    return this.fixed(length);
  }

  /** `length` bytes and the padding to a multiple of four; a view, not a copy. */
  fixed(length: number): Uint8Array {
    const at = this.#take(length);
    this.#take((4 - (length % 4)) % 4);
    return this.#bytes.subarray(at, at + length);
  }

  /** `max` bounds the number of elements; each takes at least one byte, so the message's length does as well. */
  array<T>(max: number, read: (reader: this) => T): readonly T[] {
    const count = this.uint();
    if (count > max || count > this.left)
      throw new XdrError(`a list of ${count} where ${this.left} bytes are left`);
    return Array.from({ length: count }, () => read(this));
  }

  #take(length: number): number {
    if (length > this.left) throw new XdrError(`${length} bytes are missing of ${this.#bytes.length}`);
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
