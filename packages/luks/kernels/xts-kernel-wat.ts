/** 16-byte blocks in a 512-byte sector. */
const BLOCKS = 32;

/** Independent runs of blocks within a sector: a doubling waits for the one before it, so several run side by side. */
const STREAMS = 2;
const RUN = BLOCKS / STREAMS;

/** `tweak * alpha`. The sign of lane 3 folds back as 0x87 into lane 0; the sign of lane 1 is the carry into lane 2. */
const double = (tweak: string): string => `
      (local.set $${tweak} (v128.xor
        (i64x2.shl (local.get $${tweak}) (i32.const 1))
        (v128.and
          (v128.const i32x4 0x87 0 1 0)
          (i8x16.shuffle 12 13 14 15 12 13 14 15 4 5 6 7 4 5 6 7
            (local.tee $signs (i32x4.shr_s (local.get $${tweak}) (i32.const 31))) (local.get $signs)))))`;

/** `to = from * alpha^16`: two whole bytes, whose 16 carried bits are multiplied by 0x87 = 1 + 2 + 4 + 128. */
const skip = (from: string, to: string): string => `
      (local.set $carry (i8x16.shuffle 14 15 16 16 16 16 16 16 16 16 16 16 16 16 16 16
        (local.get $${from}) (v128.const i32x4 0 0 0 0)))
      (local.set $${to} (v128.xor
        (i8x16.shuffle 16 16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 (local.get $${from}) (v128.const i32x4 0 0 0 0))
        (v128.xor
          (v128.xor (local.get $carry) (i32x4.shl (local.get $carry) (i32.const 1)))
          (v128.xor
            (i32x4.shl (local.get $carry) (i32.const 2))
            (i32x4.shl (local.get $carry) (i32.const 7))))))`;

const maskBlock = (tweak: string, index: number): string => `
      (v128.store offset=${index * 16} (local.get $data)
        (v128.xor (v128.load offset=${index * 16} (local.get $data)) (local.get $${tweak})))`;

/**
 * The source of the XTS kernel as WebAssembly text.
 *
 * `mask(data, tweaks, sectors)` XORs every 16-byte block of `sectors` sectors (at least one) at `data` with its tweak.
 * The first tweak of each sector (its encrypted sector number) is read from `tweaks`, 16 bytes a sector; each next
 * block's tweak is the previous one multiplied by alpha in GF(2^128), as IEEE 1619-2007 section 5.2 defines it.
 */
export function xtsKernelWat(): string {
  const tweaks = Array.from({ length: STREAMS }, (_, i) => `tweak${i}`);
  const body: string[] = [];
  tweaks.slice(1).forEach((to, i) => body.push(skip(`tweak${i}`, to)));
  for (let block = 0; block < RUN; block++) {
    if (block > 0) body.push(...tweaks.map((tweak) => double(tweak)));
    body.push(...tweaks.map((tweak, stream) => maskBlock(tweak, stream * RUN + block)));
  }
  return `(module
  (import "env" "memory" (memory 1))
  (func (export "mask") (param $data i32) (param $tweaks i32) (param $sectors i32)
    ${tweaks.map((tweak) => `(local $${tweak} v128)`).join(" ")} (local $signs v128) (local $carry v128)
    (loop $sector
      (local.set $tweak0 (v128.load (local.get $tweaks)))${body.join("")}
      (local.set $data (i32.add (local.get $data) (i32.const ${BLOCKS * 16})))
      (local.set $tweaks (i32.add (local.get $tweaks) (i32.const 16)))
      (br_if $sector (local.tee $sectors (i32.sub (local.get $sectors) (i32.const 1)))))))
`;
}
