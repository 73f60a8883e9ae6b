/** What samples of a disk's storage look like, without a key. JSON. */
export type SampleStatistics = {
  readonly sectors: number;
  /** Sectors of zeros only: never written, or given up; they tell nothing of encryption. */
  readonly zero: number;
  /** The others. */
  readonly judged: number;
  /** Judged sectors whose bytes have less entropy than `LEAST_BITS`. */
  readonly low_entropy: number;
  /** Of the bytes of all judged sectors together (255 degrees of freedom); null without any. */
  readonly chi_square: number | null;
  /** Blocks of 16 bytes that occur again in judged sectors. */
  readonly repeated_blocks: number;
  /** Beginnings of well-known formats at the beginning of a sector. */
  readonly magic: readonly string[];
};

export const SECTOR_BYTES = 512;
const BLOCK_BYTES = 16;

/**
 * Bits a byte. 512 random bytes have 7.59 on average; at most one sector of ciphertext in 10^14 has this or less (a Chernoff bound, which a
 * test computes). Of text and base64 every sector has less, of programs 99 of 100, of
 * what gzip or zstd has made few or none: the sum of many tells these.
 */
export const LEAST_BITS = 7.25;
/** Log10 of the most that a sector of ciphertext comes out below `LEAST_BITS`. */
export const LOG_FALSE_POSITIVE = -14;
/** With 255 degrees of freedom about one in 10^9 is beyond each, where every value is expected often. */
const LEAST_CHI = 140;
const MOST_CHI = 420;
/** With fewer, the distribution of the sum is not yet that of chi-square. */
const LEAST_JUDGED = 64;

/** Six bytes or more: shorter ones are found in ciphertext, too. */
const MAGIC: readonly (readonly [string, number, string])[] = [
  ["luks", 0, "4c554b53babe"],
  ["gpt", 0, "4546492050415254"],
  ["xz", 0, "fd377a585a00"],
  ["swap", 502, "53574150535041434532"],
];

/** Counts what is in whole sectors of storage; each is looked at once. */
export class SampleCounter {
  readonly #bytes = new Float64Array(256);
  readonly #blocks = new Set<string>();
  readonly #magic = new Set<string>();
  #sectors = 0;
  #zero = 0;
  #low = 0;
  #repeated = 0;

  add(sector: Uint8Array): void {
    this.#sectors++;
    if (sector.every((byte) => byte === 0)) {
      this.#zero++;
      return;
    }
    const counts = new Float64Array(256);
    for (const byte of sector) counts[byte] = (counts[byte] ?? 0) + 1;
    counts.forEach((count, byte) => (this.#bytes[byte] = (this.#bytes[byte] ?? 0) + count));
    if (sector.length === SECTOR_BYTES && bitsOf(counts) < LEAST_BITS) this.#low++;
    const hex = Buffer.from(sector.buffer, sector.byteOffset, sector.length).toString("hex");
    for (let at = 0; at + 2 * BLOCK_BYTES <= hex.length; at += 2 * BLOCK_BYTES) {
      const block = hex.slice(at, at + 2 * BLOCK_BYTES);
      if (this.#blocks.has(block)) this.#repeated++;
      else this.#blocks.add(block);
    }
    for (const [name, at, bytes] of MAGIC) if (hex.startsWith(bytes, 2 * at)) this.#magic.add(name);
  }

  get statistics(): SampleStatistics {
    const judged = this.#sectors - this.#zero;
    return {
      sectors: this.#sectors,
      zero: this.#zero,
      judged,
      low_entropy: this.#low,
      chi_square: judged > 0 ? Math.round(chiSquareOf(this.#bytes) * 10) / 10 : null,
      repeated_blocks: this.#repeated,
      magic: [...this.#magic],
    };
  }
}

/** What speaks against encryption, for people; empty: nothing does. */
export function notNoise(found: SampleStatistics): readonly string[] {
  const { judged, low_entropy: low, repeated_blocks: repeated, magic, chi_square: chi } = found;
  const said: string[] = [];
  if (low > 0) said.push(`${low} of ${judged} sectors that were looked at are not noise`);
  if (repeated > 0) said.push(`${repeated} blocks of 16 bytes are there more than once`);
  if (magic.length > 0) said.push(`beginnings of ${magic.join(", ")} are there in clear`);
  if (chi !== null && judged >= LEAST_JUDGED && (chi < LEAST_CHI || chi > MOST_CHI))
    said.push(`the chi-square of all bytes is ${chi}, that of noise is between ${LEAST_CHI} and ${MOST_CHI}`);
  return said;
}

/** Shannon's, of the bytes of one sector, in bits a byte. */
export function bitsOf(counts: Float64Array): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.reduce(
    (sum, count) => (count > 0 ? sum - (count / total) * Math.log2(count / total) : sum),
    0,
  );
}

function chiSquareOf(counts: Float64Array): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
