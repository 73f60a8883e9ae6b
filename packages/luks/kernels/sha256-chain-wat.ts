/** SHA-256 round constants and initial state (FIPS 180-4, sections 4.2.2 and 5.3.3), from the primes they come from. */
export function sha256Constants(): { rounds: number[]; initial: number[] } {
  const primes: number[] = [];
  for (let n = 2; primes.length < 64; n++) if (primes.every((p) => n % p !== 0)) primes.push(n);
  return {
    rounds: primes.map((p) => rootBits(p, 3n)),
    initial: primes.slice(0, 8).map((p) => rootBits(p, 2n)),
  };
}

/** The first 32 bits of the fraction of the `degree`-th root of `prime`. */
function rootBits(prime: number, degree: bigint): number {
  const target = BigInt(prime) << (32n * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) / 2n;
    if (middle ** degree <= target) low = middle;
    else high = middle;
  }
  return Number(low & 0xffff_ffffn);
}

/** A word of the message schedule: known when the kernel is generated, or held in a local. */
type Word = { constant: number } | { local: string };

const rotate = (x: number, n: number): number => ((x >>> n) | (x << (32 - n))) >>> 0;
const smallSigma = (x: number, [a, b, shift]: readonly [number, number, number]): number =>
  (rotate(x, a) ^ rotate(x, b) ^ (x >>> shift)) >>> 0;
const SIGMA0 = [7, 18, 3] as const;
const SIGMA1 = [17, 19, 10] as const;

/** The working variables of a compression. */
const STATE = ["a", "b", "c", "d", "e", "f", "g", "h"];

/** Bytes of an index word and a 32-byte block, in bits: the length that pads every message of the chain. */
const MESSAGE_BITS = 36 * 8;

const add = (...terms: string[]): string => terms.reduce((sum, term) => `(i32x4.add ${term} ${sum})`);
const xor = (...terms: string[]): string => terms.reduce((sum, term) => `(v128.xor ${sum} ${term})`);
const get = (name: string): string => `(local.get $${name})`;

/** Copies the low half of each 64-bit lane into its high half: a 64-bit shift of it is then a 32-bit rotation. */
const duplicate = (value: string): string =>
  `(i8x16.shuffle 0 1 2 3 0 1 2 3 8 9 10 11 8 9 10 11 (local.tee $scratch ${value}) ${get("scratch")})`;
const rotations = (name: string, counts: readonly number[]): string[] =>
  counts.map((count) => `(i64x2.shr_u ${get(name)} (i32.const ${count}))`);

/**
 * The source of the anti-forensic chain as WebAssembly text: LUKS On-Disk Format Specification 1.2.3, section 2.4, with
 * SHA-256 and blocks of exactly one digest.
 *
 * `chain(data, stripes, stride, second, out)` folds `stripes` stripes of `stride` bytes at `data` into two 32-byte
 * blocks, the one at offset 0 of each stripe and the one at offset `second`: XOR, then SHA-256 over the block's number
 * and the block. The two chains are independent, so they run in the two 64-bit lanes of the same vectors. Their 32-bit
 * words are kept twice in each lane, because WebAssembly has no vector rotation but a 64-bit shift of a doubled word is
 * one. The eight words of the result are stored at `out`, 16 bytes each: block 0 in lane 0, block 1 in lane 2.
 */
export function sha256ChainWat(): string {
  const { rounds, initial } = sha256Constants();
  const table: number[] = [];
  const constant = (value: number): string => {
    let index = table.indexOf(value >>> 0);
    if (index < 0) index = table.push(value >>> 0) - 1;
    return `(v128.load32_splat offset=${index * 4} (i32.const 0))`;
  };

  const lines: string[] = [];
  const words: Word[] = [
    { local: "index" },
    ...Array.from({ length: 8 }, (_, i) => ({ local: `d${i}` })),
    { constant: 0x8000_0000 },
    ...Array.from({ length: 5 }, () => ({ constant: 0 })),
    { constant: MESSAGE_BITS },
  ];
  const schedule = (t: number): Word => {
    const from = (back: number): Word => words[t - back] ?? { constant: 0 };
    let known = 0;
    const terms: string[] = [];
    const take = (word: Word, sigma?: readonly [number, number, number]): void => {
      if ("constant" in word)
        known = (known + (sigma ? smallSigma(word.constant, sigma) : word.constant)) >>> 0;
      else if (sigma === undefined) terms.push(get(word.local));
      else
        terms.push(
          xor(
            ...rotations(word.local, sigma.slice(0, 2)),
            `(i32x4.shr_u ${get(word.local)} (i32.const ${sigma[2]}))`,
          ),
        );
    };
    take(from(16));
    take(from(7));
    take(from(15), SIGMA0);
    take(from(2), SIGMA1);
    if (known !== 0) terms.unshift(constant(known));
    const local = `w${t % 16}`;
    lines.push(`(local.set $${local} ${duplicate(add(...terms))})`);
    return { local };
  };

  const names = STATE;
  const state = (i: number, t: number): string => names[(i - t + 64) % 8] ?? "";
  names.forEach((name, i) => lines.push(`(local.set $${name} ${constant(initial[i] ?? 0)})`));
  lines.push(`(local.set $bc ${xor(get("b"), get("c"))})`);
  for (let t = 0; t < 64; t++) {
    const word = t < 16 ? words[t] : (words[t] = schedule(t));
    const [a, b, , d, e, f, g, h] = names.map((_, i) => state(i, t));
    if (!word || !a || !b || !d || !e || !f || !g || !h) throw new Error("unreachable");
    const round = rounds[t] ?? 0;
    const input = "constant" in word ? [constant(round + word.constant)] : [get(word.local), constant(round)];
    const choose = xor(get(g), `(v128.and ${get(e)} ${xor(get(f), get(g))})`);
    lines.push(`(local.set $t1 ${add(...input, get(h), choose, xor(...rotations(e, [6, 11, 25])))})`);
    lines.push(`(local.set $${d} ${duplicate(add(get("t1"), get(d)))})`);
    // Majority is b ^ ((a ^ b) & (b ^ c)), and this round's a ^ b is the next round's b ^ c.
    lines.push(`(local.set $ab ${xor(get(a), get(b))})`);
    const majority = xor(get(b), `(v128.and ${get("ab")} ${get("bc")})`);
    lines.push(
      `(local.set $${h} ${duplicate(add(xor(...rotations(a, [2, 13, 22])), majority, get("t1")))})`,
      `(local.set $bc ${get("ab")})`,
    );
  }
  names.forEach((name, i) => lines.push(`(local.set $d${i} ${add(constant(initial[i] ?? 0), get(name))})`));

  return assemble(lines, table);
}

/** Loads word `i` of both blocks, big-endian, each doubled in its 64-bit lane. */
function foldWord(i: number): string {
  const bytes = [3, 2, 1, 0].map((byte) => (i % 4) * 4 + byte);
  const pattern = [...bytes, ...bytes, ...bytes.map((b) => b + 16), ...bytes.map((b) => b + 16)];
  const half = i < 4 ? 0 : 16;
  return `(local.set $d${i} (v128.xor (local.get $d${i}) (i8x16.shuffle ${pattern.join(" ")}
        (v128.load offset=${half} (local.get $data))
        (v128.load offset=${half} (i32.add (local.get $data) (local.get $second))))))`;
}

function assemble(lines: readonly string[], table: readonly number[]): string {
  const eight = Array.from({ length: 8 }, (_, i) => i);
  const vectors = [
    ...eight.map((i) => `d${i}`),
    ...Array.from({ length: 16 }, (_, i) => `w${i}`),
    ...STATE,
    "ab",
    "bc",
    "t1",
    "scratch",
    "index",
  ];
  const hex = table
    .flatMap((word) => [word, word >>> 8, word >>> 16, word >>> 24])
    .map((byte) => `\\${(byte & 0xff).toString(16).padStart(2, "0")}`)
    .join("");
  return `(module
  (import "env" "memory" (memory 1))
  (data (i32.const 0) "${hex}")
  (func (export "chain") (param $data i32) (param $stripes i32) (param $stride i32) (param $second i32) (param $out i32)
    ${vectors.map((name) => `(local $${name} v128)`).join(" ")}
    (local.set $index (v128.const i32x4 0 0 1 1))
    (loop $stripe
      ${eight.map((i) => foldWord(i)).join("\n      ")}
      ${lines.join("\n      ")}
      (local.set $data (i32.add (local.get $data) (local.get $stride)))
      (br_if $stripe (local.tee $stripes (i32.sub (local.get $stripes) (i32.const 1)))))
    ${eight.map((i) => `(v128.store offset=${i * 16} (local.get $out) (local.get $d${i}))`).join("\n    ")}))
`;
}
