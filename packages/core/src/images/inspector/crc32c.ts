/** Castagnoli's polynomial, reflected: VHDX uses it, `node:zlib` has the other one. */
const POLYNOMIAL = 0x82f6_3b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

/** CRC-32C (RFC 3720, appendix B.4). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

/** Whether a structure holds its own CRC-32C, computed with that field zero. */
export function holdsCrc32c(bytes: Uint8Array, at: number): boolean {
  const copy = new Uint8Array(bytes);
  copy.fill(0, at, at + 4);
  return crc32c(copy) === new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at, true);
}
