import type { XtsKernel } from "../crypto/xts-kernel.ts";
import { type BulkEnd, openEnd, readChunk } from "./bulk-end.ts";
import { bulkKernel, inLanes } from "./bulk-lanes.ts";
import { BulkTarget } from "./bulk-target.ts";
import type { Span } from "./copy-request.ts";
import type { CopyJob } from "./wire.ts";
import { nonZeroRuns } from "./zero-blocks.ts";

/** Copies below this stay in the page cache, where whoever made them will look for them. */
const DIRECT_FROM = 16 * 1024 * 1024;

const SECTOR = 512;

/**
 * Runs a copy in this thread, one at a time. Rejects only after everything it started has settled, so that the caller
 * may close the files then.
 *
 * @returns bytes copied
 */
export async function runCopy(job: CopyJob, onProgress: (bytes: number) => void): Promise<{ bytes: number }> {
  const kernel = bulkKernel();
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
  readonly #from: BulkEnd | "zero";
  readonly #to: BulkEnd;
  readonly #target: BulkTarget;
  #bytes = 0;

  constructor(job: CopyJob, kernel: XtsKernel, onProgress: (bytes: number) => void) {
    this.#job = job;
    this.#kernel = kernel;
    this.#onProgress = onProgress;
    this.#from = job.from === "zero" ? "zero" : openEnd(job.from, kernel);
    this.#to = openEnd(job.to, kernel);
    const inPlace = job.from !== "zero" && job.from.fd === job.to.fd;
    const size = job.spans.reduce((sum, { length }) => sum + length, 0);
    this.#target = new BulkTarget(job.to.fd, { direct: !inPlace && size >= DIRECT_FROM });
  }

  async run(): Promise<number> {
    const { spans, cancel } = this.#job;
    const copied = inLanes(spans, this.#kernel, cancel, (chunk, data) => this.#copy(chunk, data));
    const outcomes = [
      ...(await Promise.allSettled([copied])),
      ...(await Promise.allSettled([this.#target.close()])),
    ];
    const failure = outcomes.find((outcome) => outcome.status === "rejected");
    if (failure !== undefined) throw failure.reason;
    return this.#bytes;
  }

  async #copy(chunk: Span, data: Uint8Array): Promise<void> {
    const { start, length, source } = chunk;
    if (this.#from === "zero") {
      data.fill(0);
    } else {
      await readChunk(this.#from, data, chunk, this.#job.length);
      this.#from.cipher?.decrypt(data, source / SECTOR);
    }
    this.#to.cipher?.encrypt(data, start / SECTOR);
    await this.#write(data, start);
    this.#bytes += Math.min(start + length, this.#job.length) - start;
    this.#onProgress(this.#bytes);
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
