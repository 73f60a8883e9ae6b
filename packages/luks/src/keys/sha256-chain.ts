import { instantiate, type Kernel } from "../wasm/instantiate.ts";
import { SHA256_CHAIN } from "../wasm/sha256-chain-bytes.ts";

interface ChainExports {
  chain(data: number, stripes: number, stride: number, second: number, out: number): void;
}

const DIGEST = 32;

/** The kernel's table of constants ends before this; its result follows, then the stripes. */
const RESULT_AT = 1024;
const STRIPES_AT = 2048;

let kernel: Kernel<ChainExports> | undefined;

/** Whether the kernel can run the chain: the key is one or two whole SHA-256 digests long. */
export function hasSha256Kernel(keyBytes: number): boolean {
  return keyBytes === DIGEST || keyBytes === 2 * DIGEST;
}

/** `foldStripes` for SHA-256 in one WebAssembly call: some ten times faster than one call of OpenSSL per digest. */
export function foldStripesSha256(stripes: Uint8Array, keyBytes: number): Uint8Array {
  kernel ??= instantiate<ChainExports>(SHA256_CHAIN, STRIPES_AT + 4000 * 2 * DIGEST);
  const { memory, run } = kernel;
  const count = stripes.length / keyBytes;
  const folded = new Uint8Array(keyBytes);
  if (count === 0) return folded;
  try {
    memory.set(stripes, STRIPES_AT);
    run.chain(STRIPES_AT, count, keyBytes, keyBytes - DIGEST, RESULT_AT);
    const from = new DataView(memory.buffer, RESULT_AT);
    const to = new DataView(folded.buffer);
    for (let at = 0; at < keyBytes; at += 4) {
      const block = at < DIGEST ? 0 : 8;
      to.setUint32(at, from.getUint32((at % DIGEST) * 4 + block, true));
    }
    return folded;
  } finally {
    memory.fill(0, RESULT_AT, STRIPES_AT + stripes.length);
  }
}
