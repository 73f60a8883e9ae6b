/** Numbers and text at fixed places of a header, in one byte order. The caller has checked the length. */
export class Fields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;

  constructor(bytes: Uint8Array, order: "big-endian" | "little-endian") {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = order === "little-endian";
  }

  u8(at: number): number {
    return this.#view.getUint8(at);
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#little);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#little);
  }

  u64(at: number): bigint {
    return this.#view.getBigUint64(at, this.#little);
  }

  /** Every byte as one character; no decoding. */
  latin1(at: number, length: number): string {
    return Buffer.from(this.bytes.subarray(at, at + length)).toString("latin1");
  }

  hex(at: number, length: number): string {
    return Buffer.from(this.bytes.subarray(at, at + length)).toString("hex");
  }
}

/** Whether these bytes stand at this place. `text` counts as latin1. */
export function hasBytes(bytes: Uint8Array, at: number, text: string): boolean {
  if (at < 0 || bytes.length < at + text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (bytes[at + i] !== text.charCodeAt(i)) return false;
  }
  return true;
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export function isPowerOfTwo(value: number): boolean {
  return value > 0 && Number.isInteger(Math.log2(value));
}

export function ceilDiv(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}
