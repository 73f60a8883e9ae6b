import { sectorCipherOf, type SectorCipher } from "../crypto/sector-cipher.ts";
import { XtsKernel } from "../crypto/xts-kernel.ts";
import { LuksError } from "../luks-error.ts";
import { BulkTarget } from "./bulk-target.ts";
import type { Span } from "./copy-request.ts";
import { readFully } from "./file-io.ts";
import type { CopyJob, WireEnd } from "./wire.ts";
import { CancelledError } from "./wire-error.ts";
import { nonZeroRuns } from "./zero-blocks.ts";

/** Chunks in flight: while one is in the cipher, others are being read and written by libuv's threads. */
const LANES = 4;
const CHUNK = 1024 * 1024;

/** Copies below this stay in the page cache, where whoever made them will look for them. */
const DIRECT_FROM = 16 * 1024 * 1024;

const SECTOR = 512;

interface End {
  fd: number;
  offset: number;
  cipher: SectorCipher | undefined;
}

let reused: XtsKernel | undefined;

/**
 * Runs a copy in this thread, one at a time. Rejects only after everything it started has settled, so that the caller
 * may close the files then.
 *
 * @returns bytes copied
 */
export async function runCopy(job: CopyJob, onProgress: (bytes: number) => void): Promise<{ bytes: number }> {
  const kernel = (reused ??= new XtsKernel(LANES * CHUNK));
  const copy = new Copy(job, kernel, onProgress);
  try {
    return { bytes: await copy.run() };
  } finally {
    kernel.wipe();
  }
}

class Copy {
  readonly #job: CopyJob;
  readonly #kernel: XtsKernel;
  readonly #onProgress: (bytes: number) => void;
  readonly #cancel: Int32Array;
  readonly #from: End | "zero";
  readonly #to: End;
  readonly #target: BulkTarget;
  #bytes = 0;
  #failed = false;

  constructor(job: CopyJob, kernel: XtsKernel, onProgress: (bytes: number) => void) {
    this.#job = job;
    this.#kernel = kernel;
    this.#onProgress = onProgress;
    this.#cancel = new Int32Array(job.cancel);
    this.#from = job.from === "zero" ? "zero" : this.#open(job.from);
    this.#to = this.#open(job.to);
    const inPlace = job.from !== "zero" && job.from.fd === job.to.fd;
    const size = job.spans.reduce((sum, { length }) => sum + length, 0);
    this.#target = new BulkTarget(job.to.fd, { direct: !inPlace && size >= DIRECT_FROM });
  }

  #open({ fd, offset, volumeKey }: WireEnd): End {
    try {
      const cipher = volumeKey && sectorCipherOf(volumeKey, volumeKey.bytes, { kernel: this.#kernel });
      return { fd, offset, cipher };
    } finally {
      volumeKey?.bytes.fill(0);
    }
  }

  async run(): Promise<number> {
    const chunks = chunksOf(this.#job.spans);
    const lanes = Array.from({ length: LANES }, (_, lane) =>
      this.#lane(chunks, this.#kernel.buffers.subarray(lane * CHUNK, (lane + 1) * CHUNK)),
    );
    const outcomes = [
      ...(await Promise.allSettled(lanes)),
      ...(await Promise.allSettled([this.#target.close()])),
    ];
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    return this.#bytes;
  }

  /** Takes chunks one after another through the same buffer until none is left or any lane failed. */
  async #lane(chunks: Iterator<Span>, buffer: Uint8Array): Promise<void> {
    try {
      for (let next = chunks.next(); !next.done && !this.#failed; next = chunks.next()) {
        if (Atomics.load(this.#cancel, 0) !== 0) throw new CancelledError();
        const { start, length, source } = next.value;
        const data = buffer.subarray(0, length);
        await this.#read(data, start, source);
        if (this.#from !== "zero") this.#from.cipher?.decrypt(data, source / SECTOR);
        this.#to.cipher?.encrypt(data, start / SECTOR);
        await this.#write(data, start);
        this.#bytes += Math.min(start + length, this.#job.length) - start;
        this.#onProgress(this.#bytes);
      }
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async #read(data: Uint8Array, start: number, source: number): Promise<void> {
    if (this.#from === "zero") {
      data.fill(0);
      return;
    }
    const { fd, offset, cipher } = this.#from;
    const wanted = cipher ? data : data.subarray(0, this.#job.length - start);
    const got = await readFully(fd, wanted, offset + source);
    const missing = wanted.length - got;
    const tail = start + wanted.length === this.#job.length && missing < SECTOR;
    if (missing > 0 && (cipher !== undefined || !tail)) {
      throw new LuksError(
        "LuksRequestInvalid",
        `the source ends after ${start + got} of ${this.#job.length} bytes`,
        { details: { available: start + got, length: this.#job.length } },
      );
    }
    data.fill(0, got);
  }

  async #write(data: Uint8Array, start: number): Promise<void> {
    const { offset, cipher } = this.#to;
    const used = cipher ? data : data.subarray(0, this.#job.length - start);
    const runs = this.#job.sparse ? nonZeroRuns(used) : [{ start: 0, end: used.length }];
    for (const run of runs) {
      await this.#target.write(used.subarray(run.start, run.end), offset + start + run.start);
    }
  }
}

function* chunksOf(spans: readonly Span[]): Generator<Span, undefined> {
  for (const { start, length, source } of spans) {
    for (let at = 0; at < length; at += CHUNK) {
      yield { start: start + at, length: Math.min(CHUNK, length - at), source: source + at };
    }
  }
}
