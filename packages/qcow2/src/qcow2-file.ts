import type { FileHandle } from "node:fs/promises";
import { checkRanges } from "./check-ranges.ts";
import { readUpTo, writeFully } from "./file-io.ts";
import { type Geometry, geometryOf } from "./geometry.ts";
import { type GuestRun, guestRuns } from "./guest-runs.ts";
import type { Backing, Qcow2Header } from "./header.ts";
import { ENTRY } from "./layout.ts";
import { LuksArea } from "./luks-area.ts";
import { parseHeader, PROBE_BYTES, probeClusterBits } from "./parse-header.ts";
import { Qcow2Error } from "./qcow2-error.ts";
import { serializeHeader } from "./serialize-header.ts";
import { TableEntries } from "./table-entry.ts";
import { TablePages } from "./table-pages.ts";

/** The only bit of `autoclear_features` that stays true when somebody who knows bitmaps rewrites the header. */
const AUTOCLEAR_BITMAPS = 1n;

/**
 * A qcow2 image in an open file, which stays the caller's. It describes the image as it was when opened, or as this
 * package left it; nobody else may write to it meanwhile.
 */
export class Qcow2File {
  readonly handle: FileHandle;
  readonly geometry: Geometry;
  readonly pages: TablePages;
  readonly #original: Uint8Array;
  #header: Qcow2Header;
  #fileSize: number;
  #entries: TableEntries;

  private constructor(handle: FileHandle, fileSize: number, cluster: Uint8Array, header: Qcow2Header) {
    this.handle = handle;
    this.geometry = geometryOf(header.clusterBits);
    this.pages = new TablePages(handle, this.geometry.clusterSize);
    this.#original = cluster.slice(0, header.headerLength);
    this.#header = header;
    this.#fileSize = fileSize;
    this.#entries = new TableEntries(this.geometry, fileSize, header.version);
  }

  /**
   * Reads and checks the header; the tables are checked as they are read. Never more than a cluster is read here.
   *
   * @throws Qcow2Error `Qcow2HeaderInvalid`, `Qcow2HeaderHostile`, `Qcow2Unsupported`
   */
  static async open(handle: FileHandle): Promise<Qcow2File> {
    const { size } = await handle.stat();
    const clusterBits = probeClusterBits(await readUpTo(handle, 0, PROBE_BYTES));
    const cluster = new Uint8Array(2 ** clusterBits);
    // An image may be so new that its only data is a header shorter than a cluster.
    cluster.set(await readUpTo(handle, 0, cluster.length));
    const header = parseHeader(cluster);
    checkRanges(header, size);
    return new Qcow2File(handle, size, cluster, header);
  }

  get header(): Qcow2Header {
    return this.#header;
  }

  /** Bytes. */
  get fileSize(): number {
    return this.#fileSize;
  }

  /** Reads the entries of this image's tables. */
  get entries(): TableEntries {
    return this.#entries;
  }

  /** Bytes that the guest sees. */
  get virtualSize(): bigint {
    return this.#header.virtualSize;
  }

  get backing(): Backing | undefined {
    return this.#header.backing;
  }

  /**
   * @param release - what disposing the area does
   * @returns undefined: the image is not encrypted
   */
  luksArea(release?: () => Promise<void>): LuksArea | undefined {
    const { luks } = this.#header;
    return luks && new LuksArea(this.handle, luks, release);
  }

  /** See `guestRuns`. */
  runs(range?: { start: bigint; length: bigint }): AsyncGenerator<GuestRun, void> {
    return guestRuns(this, range);
  }

  /**
   * What the byte at `offset` of the guest disk is; the run goes on to the end of its cluster.
   *
   * @throws Qcow2Error `Qcow2TableInvalid`, `Qcow2RequestInvalid` outside the disk
   */
  async lookup(offset: bigint): Promise<GuestRun> {
    const rest = BigInt(this.geometry.clusterSize) - (offset % BigInt(this.geometry.clusterSize));
    const left = this.virtualSize - offset;
    for await (const run of guestRuns(this, { start: offset, length: left < rest ? left : rest })) return run;
    throw new Qcow2Error("Qcow2RequestInvalid", "range", `byte ${offset} is outside the disk`);
  }

  /**
   * Where an L2 table is, in bytes of the file; 0: there is none, nor for `count` L1 entries from this one on.
   *
   * @param index - of the L1 entry
   * @param most - entries to look at
   */
  async l2Table(index: number, most: number): Promise<{ table: number; count: number }> {
    const { view, at } = await this.pages.at(this.#header.l1.offset + index * ENTRY);
    const table = this.entries.l1(view, at);
    let count = 1;
    if (table !== 0) return { table, count };
    const here = Math.min(most, (view.byteLength - at) / ENTRY);
    while (count < here && this.entries.l1(view, at + count * ENTRY) === 0) count++;
    return { table, count };
  }

  /** Looks at the file again after it was written to. */
  async refresh(): Promise<void> {
    const { size } = await this.handle.stat();
    this.#fileSize = size;
    this.#entries = new TableEntries(this.geometry, size, this.#header.version);
    this.pages.clear();
  }

  /** Writes another header over the one in the file; the caller syncs. */
  async replaceHeader(header: Qcow2Header): Promise<void> {
    const next = { ...header, autoclear: header.autoclear & AUTOCLEAR_BITMAPS };
    const cluster = new Uint8Array(this.geometry.clusterSize);
    cluster.set(serializeHeader(next, this.#original));
    await writeFully(this.handle, cluster, 0);
    this.#header = next;
    await this.refresh();
  }
}
