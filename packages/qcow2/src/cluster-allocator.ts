import type { FileHandle } from "node:fs/promises";
import { readPadded, writeFully } from "./file-io.ts";
import { clustersFor, type Geometry } from "./geometry.ts";
import { ENTRY, MOST_REFCOUNT_TABLE_BYTES, REFCOUNT_BYTES, REFCOUNT_ORDER } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/**
 * Takes clusters at the end of an image, and counts them. Nothing is counted in the file before `flush`; until then the
 * image is as it was.
 */
export class ClusterAllocator {
  readonly #file: FileHandle;
  readonly #geometry: Geometry;
  /** Where each block of refcounts is, in bytes of the file; 0: there is none. */
  #blocks: number[];
  #table: { offset: number; clusters: number };
  #tableDirty = false;
  readonly #first: number;
  #end: number;
  #released: { first: number; count: number }[] = [];

  private constructor(image: Qcow2File, blocks: number[]) {
    this.#file = image.handle;
    this.#geometry = image.geometry;
    this.#table = image.header.refcountTable;
    this.#blocks = blocks;
    this.#first = clustersFor(image.fileSize, image.geometry);
    this.#end = this.#first;
  }

  /** @throws Qcow2Error `Qcow2Unsupported` for refcounts of another width than 16 bits, `Qcow2TableInvalid` */
  static async open(image: Qcow2File): Promise<ClusterAllocator> {
    const { refcountOrder, refcountTable } = image.header;
    if (refcountOrder !== REFCOUNT_ORDER) {
      const bits = 2 ** refcountOrder;
      throw new Qcow2Error("Qcow2Unsupported", "refcount-width", `refcounts of ${bits} bits are not written`);
    }
    const { clusterSize } = image.geometry;
    const bytes = await readPadded(image.handle, refcountTable.offset, refcountTable.clusters * clusterSize);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const blocks = Array.from({ length: bytes.length / ENTRY }, (_, i) => {
      const offset = Number(view.getBigUint64(i * ENTRY));
      if (offset % clusterSize === 0 && offset < image.fileSize) return offset;
      throw new Qcow2Error("Qcow2TableInvalid", "refcount-table", `no refcounts can be at byte ${offset}`);
    });
    return new ClusterAllocator(image, blocks);
  }

  /** Takes `count` clusters that follow each other; returns the byte of the file where they start. */
  take(count: number): number {
    const offset = this.#end * this.#geometry.clusterSize;
    this.#end += count;
    return offset;
  }

  /** Gives clusters back, once `release` is called. */
  giveBack(offset: number, count: number): void {
    this.#released.push({ first: offset / this.#geometry.clusterSize, count });
  }

  /**
   * Counts what was taken, and makes the file long enough. The header must then point to the table returned, and
   * `release` may follow.
   */
  async flush(): Promise<{ offset: number; clusters: number }> {
    this.#provideBlocks();
    const { clusterSize } = this.#geometry;
    // What is new in the file reads as zero, new blocks of refcounts too.
    await this.#file.truncate(this.#end * clusterSize);
    await this.#setRefcounts(this.#first, this.#end - this.#first, 1);
    if (this.#tableDirty) {
      // The table must not lead to a block that does not count itself yet.
      await this.#file.datasync();
      const view = new DataView(new ArrayBuffer(this.#table.clusters * clusterSize));
      for (const [i, offset] of this.#blocks.entries()) view.setBigUint64(i * ENTRY, BigInt(offset));
      await writeFully(this.#file, new Uint8Array(view.buffer), this.#table.offset);
    }
    return this.#table;
  }

  /** Counts what was given back as free. */
  async release(): Promise<void> {
    for (const { first, count } of this.#released) await this.#setRefcounts(first, count, 0);
    this.#released = [];
  }

  /** Takes clusters for the blocks that count what was taken, these blocks themselves and a larger table included. */
  #provideBlocks(): void {
    const { refcountsPerBlock } = this.#geometry;
    for (let block = Math.floor(this.#first / refcountsPerBlock); ; block++) {
      const needed = Math.ceil(this.#end / refcountsPerBlock);
      if (block >= needed) return;
      if (needed > this.#blocks.length) {
        // Room for half as much again, as the new blocks may need one more, and the guest goes on writing.
        this.#moveTable(clustersFor(Math.ceil(needed * 1.5) * ENTRY, this.#geometry));
      }
      if ((this.#blocks[block] ?? 0) !== 0) continue;
      this.#blocks[block] = this.take(1);
      this.#tableDirty = true;
    }
  }

  #moveTable(clusters: number): void {
    const { clusterSize } = this.#geometry;
    if (clusters * clusterSize > MOST_REFCOUNT_TABLE_BYTES) {
      throw new Qcow2Error("Qcow2RequestInvalid", "refcount-table-size", "the image needs larger clusters");
    }
    this.giveBack(this.#table.offset, this.#table.clusters);
    this.#table = { offset: this.take(clusters), clusters };
    const missing = (clusters * clusterSize) / ENTRY - this.#blocks.length;
    this.#blocks = [...this.#blocks, ...Array.from({ length: missing }, () => 0)];
    this.#tableDirty = true;
  }

  async #setRefcounts(first: number, count: number, value: 0 | 1): Promise<void> {
    const { refcountsPerBlock } = this.#geometry;
    for (let at = first; at < first + count;) {
      const inBlock = Math.min(first + count - at, refcountsPerBlock - (at % refcountsPerBlock));
      await this.#setInBlock(at, inBlock, value);
      at += inBlock;
    }
  }

  async #setInBlock(first: number, count: number, value: 0 | 1): Promise<void> {
    const { refcountsPerBlock } = this.#geometry;
    const block = Math.floor(first / refcountsPerBlock);
    const at = (this.#blocks[block] ?? 0) + (first % refcountsPerBlock) * REFCOUNT_BYTES;
    const before = await readPadded(this.#file, at, count * REFCOUNT_BYTES);
    const expected = 1 - value;
    if (before.some((byte, i) => byte !== (i % REFCOUNT_BYTES) * expected)) {
      throw new Qcow2Error(
        "Qcow2TableInvalid",
        "refcount",
        "clusters are counted wrongly; run qemu-img check",
        {
          cluster: first,
        },
      );
    }
    await writeFully(
      this.#file,
      before.map((_, i) => (i % REFCOUNT_BYTES) * value),
      at,
    );
  }
}
