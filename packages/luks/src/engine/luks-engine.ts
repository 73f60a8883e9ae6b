import { availableParallelism } from "node:os";
import type { FormattedContainer } from "../format-container.ts";
import { checkFormatRequest, type FormatRequest, iterationsOf } from "../format-request.ts";
import type { HeaderWrite } from "../header-write.ts";
import { activeAreaBytes, HEADER_BYTES, SECTOR } from "../header/luks-header.ts";
import { parseHeader } from "../header/parse-header.ts";
import type { AddKeySlotRequest } from "../key-slots.ts";
import { VolumeKey } from "../keys/volume-key.ts";
import { LuksError } from "../luks-error.ts";
import { GeneratedPassphrase, type Passphrase } from "../passphrase.ts";
import type { Unlocked, UnlockOptions } from "../unlock.ts";
import { type CompareRequest, type CopyRequest, copySpans, type FindDataRequest } from "./copy-request.ts";
import { OpenedContainers } from "./opened-containers.ts";
import { PreparedContainers } from "./prepared-containers.ts";
import { areaOf } from "./retained-areas.ts";
import {
  type BulkJob,
  type Job,
  newCancel,
  type Results,
  unwireKey,
  wireEnd,
  wireKey,
  wirePassphrase,
} from "./wire.ts";
import { CancelledError } from "./wire-error.ts";
import { WorkerPool } from "./worker-pool.ts";

const MOST_THREADS = 64;

/**
 * The slow parts of this package on worker threads, so that the event loop stays free. Every method behaves like the
 * function of the same name and rejects with the same errors; a worker that dies rejects its jobs and is replaced.
 *
 * Secrets are copied when a method is called: the caller may dispose its own at once.
 */
export class LuksEngine implements AsyncDisposable {
  readonly #pool: WorkerPool;
  readonly #prepared: PreparedContainers;
  readonly #opened = new OpenedContainers();

  /** @param options - `threads`: 1 to 64, default one per processor, four at most. They start when needed. */
  constructor(options: { threads?: number } = {}) {
    const { threads = Math.min(4, availableParallelism()) } = options;
    if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
      throw new LuksError("LuksRequestInvalid", `an engine has 1 to ${MOST_THREADS} threads, not ${threads}`);
    }
    this.#pool = new WorkerPool(threads);
    this.#prepared = new PreparedContainers(
      (passphrase, iterations) => this.#prepare(passphrase, iterations),
      () => this.#pool.isIdle,
    );
  }

  /**
   * A new passphrase for one disk. One that was made in idle time has its container ready, so that `format` of it takes
   * no time; it is as random, and as much its caller's, as that of `GeneratedPassphrase.create`.
   */
  generatePassphrase(): GeneratedPassphrase {
    return this.#prepared.give();
  }

  /**
   * See `formatContainer`.
   *
   * @param options - `retain`: keeps the header area for one `unlockFormatted`
   */
  async format(request: FormatRequest, options: { retain?: boolean } = {}): Promise<FormattedContainer> {
    const plan = checkFormatRequest(request);
    const { retain = false } = options;
    const prepared = GeneratedPassphrase.is(request.passphrase)
      ? this.#prepared.take(request.passphrase, plan)
      : undefined;
    if (prepared !== undefined) {
      if (retain) this.#opened.keep(request.passphrase, prepared);
      return prepared;
    }
    const passphrase = wirePassphrase(request.passphrase);
    const result = await this.#run({ kind: "format", ...plan, passphrase, retain });
    return { ...result, volumeKey: unwireKey(result.volumeKey) };
  }

  /**
   * As `unlock`, on the bytes that a `format` with `retain` made under this UUID; may be called before that has
   * settled. Once for each. A prepared container was opened before it was given away: there it is compared with the
   * passphrase that did it.
   *
   * @param made - what that `format` returned: of many at once the oldest are not kept, and are opened from there
   * @throws what `made` is rejected with; LuksError `LuksPassphraseRefused`
   */
  async unlockFormatted(
    uuid: string,
    passphrase: Passphrase,
    made: Promise<Pick<FormattedContainer, "writes">>,
  ): Promise<Unlocked> {
    using opened = this.#opened.take(uuid);
    if (opened !== undefined) {
      // That passphrase has opened these bytes, but for UUID and payload offset; any other is tried, and refused, on them.
      if (!opened.passphrase.equals(passphrase)) return await this.unlock(areaOf(opened.writes), passphrase);
      return { keySlot: 0, volumeKey: copyOf(opened.volumeKey) };
    }
    const job = { kind: "unlock-formatted", uuid, passphrase: wirePassphrase(passphrase) } as const;
    const result = await this.#run(job);
    if (result === "not-kept") return await this.unlock(areaOf((await made).writes), passphrase);
    return { keySlot: result.keySlot, volumeKey: unwireKey(result.volumeKey) };
  }

  /** See `unlock`. */
  async unlock(area: Uint8Array, passphrase: Passphrase, options: UnlockOptions = {}): Promise<Unlocked> {
    const needed = area.subarray(0, activeAreaBytes(parseHeader(area)));
    const result = await this.#run({
      kind: "unlock",
      area: new Uint8Array(needed),
      passphrase: wirePassphrase(passphrase),
      ...(options.keySlot === undefined ? {} : { keySlot: options.keySlot }),
    });
    return { keySlot: result.keySlot, volumeKey: unwireKey(result.volumeKey) };
  }

  /** See `addKeySlot`. */
  async addKeySlot(
    area: Uint8Array,
    volumeKey: VolumeKey,
    request: AddKeySlotRequest,
  ): Promise<HeaderWrite[]> {
    const iterations = iterationsOf(request);
    return this.#run({
      kind: "add-key-slot",
      area: new Uint8Array(area.subarray(0, HEADER_BYTES)),
      passphrase: wirePassphrase(request.passphrase),
      volumeKey: wireKey(volumeKey),
      iterations,
      ...(request.keySlot === undefined ? {} : { keySlot: request.keySlot }),
    });
  }

  /**
   * Moves bulk data between open files. It neither creates, truncates nor syncs them for good: the caller does that. It
   * settles only when no read or write is under way any more, also after an abort or an error.
   *
   * @returns bytes of the data that were copied, zeros left out by `sparse` included
   * @throws LuksError `LuksRequestInvalid` for impossible ranges, or a source that ends too early
   * @throws the error of the system call, with its `code` (`ENOSPC`, `EIO`, `EBADF`, ...)
   */
  async copy(request: CopyRequest): Promise<{ bytes: bigint }> {
    const { from, to, length, sparse = false, signal } = request;
    signal?.throwIfAborted();
    const spans = copySpans(request);
    const total = BigInt(
      spans.reduce((sum, span) => sum + Math.min(span.length, Number(length) - span.start), 0),
    );
    const { bytes } = await this.#runBulk(
      {
        kind: "copy",
        from: from === "zero" ? from : wireEnd(from),
        to: wireEnd(to),
        length: Number(length),
        spans,
        sparse,
        cancel: newCancel(),
      },
      signal,
      (done) => request.onProgress?.(BigInt(done), total),
    );
    request.onProgress?.(BigInt(bytes), total);
    return { bytes: BigInt(bytes) };
  }

  /**
   * Tells which units of some data are not all zeros, decrypting as much as it takes to know. It settles only when no
   * read is under way any more.
   *
   * @returns a byte for each unit from that where the first extent starts to that where the last ends, 0: nothing but
   *   zeros, as far as the extents go
   * @throws as `copy`
   */
  async findData(request: FindDataRequest): Promise<Uint8Array> {
    const { from, length, unit, signal } = request;
    signal?.throwIfAborted();
    if (!Number.isSafeInteger(unit) || unit <= 0 || unit % SECTOR !== 0) {
      throw new LuksError("LuksRequestInvalid", `data is looked for in whole sectors, not in ${unit} bytes`);
    }
    const spans = copySpans({ ...request, to: from });
    const end = { from: wireEnd(from), length: Number(length) };
    const job = { kind: "find-data", ...end, spans, unit, cancel: newCancel() } as const;
    const { found } = await this.#runBulk(job, signal);
    // Told to stop when it was nearly done: whoever asked does not want it any more.
    signal?.throwIfAborted();
    return found;
  }

  /**
   * Compares the data of two ends, each decrypted in memory. It settles only when no read is under way any more.
   * @returns bytes to the first place (of 64 KiB) that differs; undefined: the same @throws as `copy`
   */
  async firstDifference(request: CompareRequest): Promise<bigint | undefined> {
    const { from, to, length, signal } = request;
    signal?.throwIfAborted();
    const spans = copySpans(request);
    const total = BigInt(spans.reduce((sum, span) => sum + span.length, 0));
    const ends = { from: wireEnd(from), to: wireEnd(to), length: Number(length) };
    const job = { kind: "compare", ...ends, spans, cancel: newCancel() } as const;
    const { first } = await this.#runBulk(job, signal, (done) => request.onProgress?.(BigInt(done), total));
    return first === undefined ? undefined : BigInt(first);
  }

  /** Stops the threads; jobs that are still running are rejected. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#prepared[Symbol.dispose]();
    this.#opened[Symbol.dispose]();
    await this.#pool[Symbol.asyncDispose]();
  }

  async #prepare(passphrase: GeneratedPassphrase, iterations: number): Promise<FormattedContainer> {
    const job = { kind: "prepare", iterations, passphrase: wirePassphrase(passphrase) } as const;
    const result = await this.#run(job);
    return { ...result, volumeKey: unwireKey(result.volumeKey) };
  }

  async #runBulk<J extends BulkJob>(
    job: J,
    signal: AbortSignal | undefined,
    onProgress?: (bytes: number) => void,
  ): Promise<Results[J["kind"]]> {
    const abort = (): void => {
      if (!this.#pool.withdraw(job, signal?.reason)) Atomics.store(new Int32Array(job.cancel), 0, 1);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      return await this.#run(job, onProgress);
    } catch (error) {
      throw error instanceof CancelledError && signal?.aborted ? signal.reason : error;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  async #run<J extends Job>(job: J, onProgress?: (bytes: number) => void): Promise<Results[J["kind"]]> {
    try {
      // Asserted: the worker answers each kind with its own result
      return (await this.#pool.run(job, onProgress)) as Results[J["kind"]];
    } finally {
      if (job.kind !== "prepare") this.#prepared.prepareWhenIdle();
    }
  }
}

function copyOf(key: VolumeKey): VolumeKey {
  return key.use((bytes) => VolumeKey.take(Uint8Array.from(bytes), key));
}
