import type { CopyEnd, CopyExtent, LuksEngine, VolumeKey } from "@luksmith/luks";
import { ClusterAllocator } from "./cluster-allocator.ts";
import { contentParts, type Window, windowsOf } from "./content-parts.ts";
import { L2Writer } from "./l2-writer.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";
import { placeWindow } from "./place-window.ts";

/** Guest-visible bytes to put into a new image. */
export interface GuestContent {
  /** Where byte 0 of the guest disk is read from. Its key, if it is encrypted, is as `volumeKey` below. */
  from: CopyEnd;
  /** Multiples of 512. What is outside is not read, and reads as zero, or from the backing file. */
  extents: readonly { start: bigint; length: bigint }[];
  /** For an encrypted image. Must not be disposed before `write` has settled. */
  volumeKey?: VolumeKey;
  signal?: AbortSignal;
  /** Bytes of the extents done so far and in all. */
  onProgress?(done: bigint, total: bigint): void;
}

/** What moves and looks through the data. */
type Engine = Pick<LuksEngine, "copy" | "findData">;

/**
 * Fills a new image. Clusters are taken at the file's end in the order of the guest disk, so that long runs stay
 * together; clusters of nothing but zeros take no room. Before `finish` the image is empty as before.
 */
export class Qcow2Writer {
  readonly #image: Qcow2File;
  readonly #engine: Engine;
  readonly #allocator: ClusterAllocator;
  readonly #l2: L2Writer;

  private constructor(image: Qcow2File, engine: Engine, allocator: ClusterAllocator) {
    this.#image = image;
    this.#engine = engine;
    this.#allocator = allocator;
    this.#l2 = new L2Writer(image, allocator);
  }

  /**
   * @param image - opened for reading and writing, as `createImage` left it
   * @throws Qcow2Error `Qcow2RequestInvalid` if there is data in it already
   */
  static async open(image: Qcow2File, engine: Engine): Promise<Qcow2Writer> {
    const { value: first } = await image.runs().next();
    const empty = first?.kind === "unallocated" && first.length === image.virtualSize;
    if (!empty || image.header.version !== 3 || image.header.snapshots > 0) {
      throw new Qcow2Error("Qcow2RequestInvalid", "not-new", "only a new image is filled");
    }
    return new Qcow2Writer(image, engine, await ClusterAllocator.open(image));
  }

  /**
   * Writes content; what was written by an earlier call stays. While one part is copied the next is looked through.
   *
   * @throws Qcow2Error `Qcow2RequestInvalid`; what the engine throws
   */
  async write(content: GuestContent): Promise<void> {
    const { header, geometry, virtualSize } = this.#image;
    if ((content.volumeKey === undefined) !== (header.encryption === "none")) {
      throw new Qcow2Error(
        "Qcow2RequestInvalid",
        "volume-key",
        "an encrypted image is filled with its volume key",
      );
    }
    const parts = contentParts(content.extents, virtualSize, geometry, header.backing !== undefined);
    const total = parts.reduce((sum, { length }) => sum + BigInt(length), 0n);
    const windows = windowsOf(parts, geometry.clusterSize);
    let done = 0n;
    let next = await this.#look(windows, content);
    while (next !== undefined) {
      const { window, found } = next;
      content.signal?.throwIfAborted();
      const settled = await Promise.allSettled([
        this.#look(windows, content),
        this.#fill(window, found, content),
      ]);
      for (const outcome of settled) if (outcome.status === "rejected") throw outcome.reason;
      done += window.parts.reduce((sum, { length }) => sum + BigInt(length), 0n);
      content.onProgress?.(done, total);
      next = settled[0].status === "fulfilled" ? settled[0].value : undefined;
    }
  }

  /** Writes the tables and refcounts; the caller syncs. */
  async finish(): Promise<void> {
    await this.#l2.flush();
    const refcountTable = await this.#allocator.flush();
    if (refcountTable.offset !== this.#image.header.refcountTable.offset) {
      await this.#image.replaceHeader({ ...this.#image.header, refcountTable });
      await this.#allocator.release();
    }
    await this.#image.refresh();
  }

  async #look(
    windows: Iterator<Window, undefined>,
    { from, signal }: GuestContent,
  ): Promise<{ window: Window; found: Uint8Array } | undefined> {
    const { done, value: window } = windows.next();
    if (done === true) return undefined;
    const extents = window.parts.map(({ start, length }) => ({
      start: BigInt(start),
      length: BigInt(length),
    }));
    const unit = this.#image.geometry.clusterSize;
    const stop = signal === undefined ? {} : { signal };
    const found = await this.#engine.findData({ from, extents, length: endOf(extents), unit, ...stop });
    return { window, found };
  }

  async #fill(window: Window, found: Uint8Array, { from, volumeKey, signal }: GuestContent): Promise<void> {
    const place = { image: this.#image, allocator: this.#allocator, l2: this.#l2 };
    const { data, gaps } = await placeWindow(window, found, place);
    const to = { fd: this.#image.handle.fd, offset: 0n, ...(volumeKey === undefined ? {} : { volumeKey }) };
    const common = { to, ...(signal === undefined ? {} : { signal }) };
    const plain = volumeKey === undefined;
    if (data.length > 0) {
      await this.#engine.copy({ ...common, from, extents: data, length: endOf(data), sparse: plain });
    }
    // A plain new file reads as zero there already.
    if (gaps.length > 0 && !plain) {
      await this.#engine.copy({ ...common, from: "zero", extents: gaps, length: endOf(gaps) });
    }
  }
}

function endOf(extents: readonly CopyExtent[]): bigint {
  return extents.reduce((end, { start, length }) => (start + length > end ? start + length : end), 0n);
}
