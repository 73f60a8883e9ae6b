import { type Kernel, instantiate } from "../wasm/instantiate.ts";
import { XTS_KERNEL } from "../wasm/xts-kernel-bytes.ts";

/** Sectors per pass: 128 KiB fit the second-level cache together with their cipher output. */
export const CHUNK_SECTORS = 256;
const CHUNK_BYTES = CHUNK_SECTORS * 512;
const TWEAK_BYTES = CHUNK_SECTORS * 16;

interface XtsExports {
  mask(data: number, tweaks: number, sectors: number): void;
}

/**
 * The XTS kernel with its memory: room for the tweaks of one chunk, one chunk of scratch, and buffers that the caller
 * reads into and writes from directly. It is used synchronously, so one serves any number of ciphers of a thread.
 */
export class XtsKernel {
  readonly #kernel: Kernel<XtsExports>;
  /** 4 KiB for the first tweak of each sector of a chunk. */
  readonly tweaks: Uint8Array;
  /** 128 KiB for data that is not in this memory. */
  readonly scratch: Uint8Array;
  /** The caller's, page aligned as direct I/O wants it. */
  readonly buffers: Uint8Array<ArrayBuffer>;

  /** @param bufferBytes - how much memory the caller wants for `buffers` */
  constructor(bufferBytes = 0) {
    this.#kernel = instantiate<XtsExports>(XTS_KERNEL, TWEAK_BYTES + CHUNK_BYTES + bufferBytes);
    const { memory } = this.#kernel;
    this.tweaks = memory.subarray(0, TWEAK_BYTES);
    this.scratch = memory.subarray(TWEAK_BYTES, TWEAK_BYTES + CHUNK_BYTES);
    this.buffers = memory.subarray(TWEAK_BYTES + CHUNK_BYTES, TWEAK_BYTES + CHUNK_BYTES + bufferBytes);
  }

  /** Whether `data` lies in this memory, so that it need not be copied. */
  holds(data: Uint8Array): boolean {
    return data.buffer === this.#kernel.memory.buffer;
  }

  /** XORs whole sectors in this memory, at most a chunk, with their tweaks. */
  mask(data: Uint8Array): void {
    this.#kernel.run.mask(data.byteOffset, this.tweaks.byteOffset, data.length / 512);
  }

  /** Wipes tweaks, scratch and buffers. */
  wipe(): void {
    this.#kernel.memory.fill(0);
  }
}

let shared: XtsKernel | undefined;

/** The kernel of this thread for data that lives elsewhere. */
export function sharedXtsKernel(): XtsKernel {
  return (shared ??= new XtsKernel());
}
