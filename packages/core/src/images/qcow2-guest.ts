import type { SectorCipher } from "@luksmith/luks";
import { type ByteSource, ImageRefusedError, type Qcow2Header, refusal } from "./inspector/index.ts";

/** Bits 9 to 55 of an L1 or L2 entry: where in the file (QEMU `docs/interop/qcow2.txt`, "Cluster mapping"). */
const OFFSET_BITS = 0x00ff_ffff_ffff_fe00n;
const COMPRESSED = 1n << 62n;
const READS_AS_ZERO = 1n;
const ENTRY = 8;
/** Of the L1 table, read at once. */
const PAGE = 64 * 1024;
const SECTOR = 512n;

/** Part of a guest disk, in bytes; `source`: where in the file its ciphertext is, absent where it reads as zero. */
export interface GuestPart {
  readonly start: bigint;
  readonly length: bigint;
  readonly source?: bigint;
}

interface Page {
  readonly at: bigint;
  readonly view: DataView;
}

/**
 * Where an encrypted qcow2 image keeps each part of its disk. Only for images that `checkImage` has accepted: no backing
 * file, no data file, no extended L2 entries. Reads no more tables than the file has room for.
 */
export class Qcow2Guest {
  readonly #file: ByteSource;
  readonly #header: Qcow2Header;
  readonly #subject: string;
  readonly #cluster: bigint;
  /** What was read last of either level: parts are asked for from front to back. */
  #l1Page: Page | undefined;
  #l2Table: Page | undefined;

  constructor(file: ByteSource, header: Qcow2Header, subject: string) {
    this.#file = file;
    this.#header = header;
    this.#subject = subject;
    this.#cluster = 1n << BigInt(header.clusterBits);
  }

  get virtualSize(): bigint {
    return this.#header.virtualSize;
  }

  /**
   * The parts from `start` to before `end`, neighbours joined.
   * @throws `Qcow2L1Table`, `Qcow2CompressedClusters`, `ImageTruncated`
   */
  async *parts(start = 0n, end = this.virtualSize): AsyncGenerator<GuestPart, void> {
    const perTable = (this.#cluster / BigInt(ENTRY)) * this.#cluster;
    let open: { start: bigint; length: bigint; source?: bigint } | undefined;
    let tables = 0n;
    for (let at = start; at < end;) {
      const table = await this.#l1(at / perTable);
      if (table !== undefined && ++tables * this.#cluster > this.#file.size + this.#cluster) {
        throw this.#refused("Qcow2L1Table", "has more L2 tables than its file has room for; export it again");
      }
      const tableEnd = min((at / perTable + 1n) * perTable, end);
      const view = table === undefined ? undefined : await this.#table(table);
      while (at < tableEnd) {
        const next = view ? min((at / this.#cluster + 1n) * this.#cluster, tableEnd) : tableEnd;
        const source = view && this.#source(view, at);
        if (open && follows(open, source)) {
          open.length += next - at;
        } else {
          if (open) yield open;
          open = { start: at, length: next - at, ...(source === undefined ? {} : { source }) };
        }
        at = next;
      }
    }
    if (open) yield open;
  }

  /** The decrypted disk, to look at. */
  plaintext(cipher: SectorCipher): ByteSource {
    const size = this.virtualSize;
    return {
      size,
      read: async (offset, length) => {
        const end = min(offset + BigInt(length), size);
        if (offset >= end) return new Uint8Array();
        const first = (offset / SECTOR) * SECTOR;
        const plain = new Uint8Array(Number(min(((end + SECTOR - 1n) / SECTOR) * SECTOR, size) - first));
        for await (const part of this.parts(first, first + BigInt(plain.length))) {
          if (part.source === undefined) continue;
          const stored = new Uint8Array(await this.#read(part.source, Number(part.length)));
          cipher.decrypt(stored, Number(part.source / SECTOR));
          plain.set(stored, Number(part.start - first));
        }
        return plain.subarray(Number(offset - first), Number(end - first));
      },
    };
  }

  /** @returns where an L2 table is; undefined: there is none */
  async #l1(index: bigint): Promise<bigint | undefined> {
    const { l1Offset, l1Entries } = this.#header;
    const first = Number(index) * ENTRY - ((Number(index) * ENTRY) % PAGE);
    const at = l1Offset + BigInt(first);
    const page = (this.#l1Page = await this.#page(
      this.#l1Page,
      at,
      Math.min(PAGE, l1Entries * ENTRY - first),
    ));
    return this.#offset(page.view.getBigUint64(Number(index) * ENTRY - first), "L1");
  }

  async #table(at: bigint): Promise<DataView> {
    this.#l2Table = await this.#page(this.#l2Table, at, Number(this.#cluster));
    return this.#l2Table.view;
  }

  async #page(last: Page | undefined, at: bigint, length: number): Promise<Page> {
    if (last?.at === at) return last;
    const bytes = await this.#read(at, length);
    return { at, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }

  /** Where the guest's byte `at` is in the file; undefined: it reads as zero. */
  #source(table: DataView, at: bigint): bigint | undefined {
    const index = Number((at / this.#cluster) % (this.#cluster / BigInt(ENTRY)));
    const entry = table.getBigUint64(index * ENTRY);
    if ((entry & COMPRESSED) !== 0n) {
      // QEMU reads these without decrypting: plain data where everything is said to be encrypted.
      const message = "is encrypted, but has compressed clusters, which cannot be; export it again";
      throw this.#refused("Qcow2CompressedClusters", message);
    }
    if ((entry & READS_AS_ZERO) !== 0n) return undefined;
    const offset = this.#offset(entry, "L2");
    return offset === undefined ? undefined : offset + (at % this.#cluster);
  }

  #offset(entry: bigint, level: "L1" | "L2"): bigint | undefined {
    const offset = entry & OFFSET_BITS;
    if (offset === 0n) return undefined;
    if (offset % this.#cluster !== 0n || offset >= this.#file.size) {
      const message = `has an ${level} table that points outside the file; fetch or export it again`;
      throw this.#refused("Qcow2L1Table", message);
    }
    return offset;
  }

  async #read(offset: bigint, length: number): Promise<Uint8Array> {
    const bytes = await this.#file.read(offset, length);
    if (bytes.length === length) return bytes;
    throw this.#refused("ImageTruncated", `is truncated: ${length} bytes at ${offset} are not there`);
  }

  #refused(
    code: "Qcow2L1Table" | "Qcow2CompressedClusters" | "ImageTruncated",
    message: string,
  ): ImageRefusedError {
    return new ImageRefusedError(this.#subject, refusal(code, message, { format: "qcow2" }));
  }
}

function follows(part: { length: bigint; source?: bigint }, source: bigint | undefined): boolean {
  return part.source === undefined || source === undefined
    ? part.source === source
    : part.source + part.length === source;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
