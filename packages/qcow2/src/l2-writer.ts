import { readPadded, writeFully } from "./file-io.ts";
import type { ClusterAllocator } from "./cluster-allocator.ts";
import { COPIED_HIGH, ENTRY, ZERO_LOW } from "./layout.ts";
import type { Qcow2File } from "./qcow2-file.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** Fills in L2 tables, one at a time, and remembers where they are for the L1 table. */
export class L2Writer {
  readonly #image: Qcow2File;
  readonly #allocator: ClusterAllocator;
  /** Where the new L2 tables are, by L1 index. */
  readonly #tables = new Map<number, number>();
  #open: { index: number; view: DataView } | undefined;

  constructor(image: Qcow2File, allocator: ClusterAllocator) {
    this.#image = image;
    this.#allocator = allocator;
  }

  /**
   * Says where a cluster of the guest disk is.
   *
   * @param host - byte of the file, or that it reads as zero
   * @throws Qcow2Error `Qcow2RequestInvalid` if that was said before
   */
  async set(cluster: number, host: number | "zero"): Promise<void> {
    const { l2Entries } = this.#image.geometry;
    const view = await this.#tableOf(Math.floor(cluster / l2Entries));
    const at = (cluster % l2Entries) * ENTRY;
    if (view.getBigUint64(at) !== 0n) {
      throw new Qcow2Error("Qcow2RequestInvalid", "written-twice", `cluster ${cluster} was written before`);
    }
    if (host === "zero") view.setUint32(at + 4, ZERO_LOW);
    else setPointer(view, at, host);
  }

  /** Makes sure that the cluster's table has its place, before its data takes one. */
  async prepare(cluster: number): Promise<void> {
    await this.#tableOf(Math.floor(cluster / this.#image.geometry.l2Entries));
  }

  /** Writes the tables that are still in memory, and the L1 entries of all. */
  async flush(): Promise<void> {
    await this.#close();
    const { offset } = this.#image.header.l1;
    for (const [first, tables] of joined(this.#tables)) {
      const view = new DataView(new ArrayBuffer(tables.length * ENTRY));
      for (const [i, table] of tables.entries()) setPointer(view, i * ENTRY, table);
      await writeFully(this.#image.handle, new Uint8Array(view.buffer), offset + first * ENTRY);
    }
    this.#image.pages.clear();
  }

  async #tableOf(index: number): Promise<DataView> {
    if (this.#open?.index === index) return this.#open.view;
    await this.#close();
    const { clusterSize } = this.#image.geometry;
    const known = this.#tables.get(index);
    if (known === undefined) this.#tables.set(index, this.#allocator.take(1));
    const bytes =
      known === undefined
        ? new Uint8Array(clusterSize)
        : await readPadded(this.#image.handle, known, clusterSize);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#open = { index, view };
    return view;
  }

  async #close(): Promise<void> {
    const offset = this.#open && this.#tables.get(this.#open.index);
    if (this.#open === undefined || offset === undefined) return;
    const { buffer, byteOffset, byteLength } = this.#open.view;
    await writeFully(this.#image.handle, new Uint8Array(buffer, byteOffset, byteLength), offset);
    this.#open = undefined;
  }
}

/** An entry for a cluster that is used once. */
function setPointer(view: DataView, at: number, offset: number): void {
  view.setUint32(at, (COPIED_HIGH | Math.floor(offset / 0x1_0000_0000)) >>> 0);
  view.setUint32(at + 4, offset % 0x1_0000_0000);
}

/** The values of keys that follow each other, with the first key. */
function* joined(map: ReadonlyMap<number, number>): Generator<[first: number, values: number[]], undefined> {
  let run: [first: number, values: number[]] | undefined;
  for (const [key, value] of [...map].toSorted(([a], [b]) => a - b)) {
    if (run !== undefined && run[0] + run[1].length === key) {
      run[1].push(value);
      continue;
    }
    if (run !== undefined) yield run;
    run = [key, [value]];
  }
  if (run !== undefined) yield run;
}
