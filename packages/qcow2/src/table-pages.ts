import type { FileHandle } from "node:fs/promises";
import { readPadded } from "./file-io.ts";

const MOST_PAGE_BYTES = 64 * 1024;
const MOST_PAGES = 64;

/** A part of a table, and where in it an entry is. */
export interface TablePage {
  view: DataView;
  at: number;
}

/** The L1 and L2 tables of an image, read in pages; at most 4 MiB of them are kept. */
export class TablePages {
  readonly #file: FileHandle;
  readonly #pageBytes: number;
  readonly #pages = new Map<number, DataView>();

  constructor(file: FileHandle, clusterSize: number) {
    this.#file = file;
    this.#pageBytes = Math.min(MOST_PAGE_BYTES, clusterSize);
  }

  /** @param offset - of an entry, in bytes from the start of the file; what is beyond its end reads as zero */
  async at(offset: number): Promise<TablePage> {
    const at = offset % this.#pageBytes;
    const page = offset - at;
    let view = this.#pages.get(page);
    if (view === undefined) {
      const bytes = await readPadded(this.#file, page, this.#pageBytes);
      view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const [oldest] = this.#pages.keys();
      if (this.#pages.size >= MOST_PAGES && oldest !== undefined) this.#pages.delete(oldest);
    } else {
      this.#pages.delete(page);
    }
    this.#pages.set(page, view);
    return { view, at };
  }

  /** Forgets what was read: the tables have changed. */
  clear(): void {
    this.#pages.clear();
  }
}
