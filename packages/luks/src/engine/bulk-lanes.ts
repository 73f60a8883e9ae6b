import { XtsKernel } from "../crypto/xts-kernel.ts";
import type { Span } from "./copy-request.ts";
import { CancelledError } from "./wire-error.ts";

/** Chunks in flight: while one is in the cipher, others are being read and written by libuv's threads. */
const LANES = 4;
const CHUNK = 1024 * 1024;

let reused: XtsKernel | undefined;

/** The kernel of this thread's bulk job, of which there is one at a time. Who takes it wipes it. */
export function bulkKernel(): XtsKernel {
  return (reused ??= new XtsKernel(LANES * CHUNK));
}

/**
 * Does `work` with each chunk of some spans, begun in order, several at a time, each with a buffer of `kernel`. Stops
 * when one fails, or when told to; rejects only after everything it started has settled, so that the caller may close
 * the files then.
 *
 * @param cancel - one `Int32` that becomes 1 when it is to stop
 */
export async function inLanes(
  spans: readonly Span[],
  { buffers }: XtsKernel,
  cancel: SharedArrayBuffer,
  work: (chunk: Span, data: Uint8Array) => Promise<void>,
): Promise<void> {
  const chunks = chunksOf(spans);
  const stop = new Int32Array(cancel);
  const state = { failed: false };
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    const buffer = buffers.subarray(lane * CHUNK, (lane + 1) * CHUNK);
    try {
      for (let next = chunks.next(); !next.done && !state.failed; next = chunks.next()) {
        if (Atomics.load(stop, 0) !== 0) throw new CancelledError();
        await work(next.value, buffer.subarray(0, next.value.length));
      }
    } catch (error) {
      state.failed = true;
      throw error;
    }
  });
  const failure = (await Promise.allSettled(lanes)).find(({ status }) => status === "rejected");
  if (failure?.status === "rejected") throw failure.reason;
}

function* chunksOf(spans: readonly Span[]): Generator<Span, undefined> {
  for (const { start, length, source } of spans) {
    for (let at = 0; at < length; at += CHUNK) {
      yield { start: start + at, length: Math.min(CHUNK, length - at), source: source + at };
    }
  }
}
