import type { Geometry } from "./geometry.ts";
import { COMPRESSED_HIGH, ZERO_LOW } from "./layout.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/** What an L2 entry says about a guest cluster; `offset` is a byte of the image file, 0 unless it is `data`. */
export interface ClusterEntry {
  kind: "unallocated" | "zero" | "data" | "compressed";
  offset: number;
}

/** Bits that are zero in every entry, besides those of their kind: "L1 table entry", "Standard Cluster Descriptor". */
const L1_RESERVED = { high: 0x7f00_0000, low: 0x1ff } as const;
const L2_RESERVED = { high: 0x3f00_0000, low: 0x1fe } as const;

const UNALLOCATED: ClusterEntry = { kind: "unallocated", offset: 0 };
const ZERO: ClusterEntry = { kind: "zero", offset: 0 };
const COMPRESSED: ClusterEntry = { kind: "compressed", offset: 0 };

const invalid = (reason: string, message: string, entry: bigint): Qcow2Error =>
  new Qcow2Error("Qcow2TableInvalid", reason, message, { entry: `0x${entry.toString(16)}` });

/** Reads table entries of one image and refuses those that cannot be. */
export class TableEntries {
  readonly #clusterSize: number;
  readonly #fileSize: number;
  readonly #zeroFlag: boolean;

  /** @param fileSize - bytes */
  constructor({ clusterSize }: Geometry, fileSize: number, version: 2 | 3) {
    this.#clusterSize = clusterSize;
    this.#fileSize = fileSize;
    this.#zeroFlag = version === 3;
  }

  /**
   * @returns where the L2 table is, in bytes of the file; 0: there is none
   * @throws Qcow2Error `Qcow2TableInvalid`
   */
  l1(view: DataView, at: number): number {
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    if ((high & L1_RESERVED.high) !== 0 || (low & L1_RESERVED.low) !== 0) {
      throw invalid("l1-reserved", "an L1 entry has reserved bits", view.getBigUint64(at));
    }
    return this.#offset(high, low, "l1-offset", view, at);
  }

  /** @throws Qcow2Error `Qcow2TableInvalid` */
  l2(view: DataView, at: number): ClusterEntry {
    const high = view.getUint32(at);
    const low = view.getUint32(at + 4);
    if ((high & COMPRESSED_HIGH) !== 0) return COMPRESSED;
    if (high === 0 && low === 0) return UNALLOCATED;
    if ((high & L2_RESERVED.high) !== 0 || (low & L2_RESERVED.low) !== 0) {
      throw invalid("l2-reserved", "an L2 entry has reserved bits", view.getBigUint64(at));
    }
    const zero = (low & ZERO_LOW) !== 0;
    if (zero && !this.#zeroFlag) {
      throw invalid("l2-zero", "version 2 has no zero clusters", view.getBigUint64(at));
    }
    const offset = this.#offset(high, low - (zero ? ZERO_LOW : 0), "l2-offset", view, at);
    if (zero) return ZERO;
    if (offset === 0) throw invalid("l2-offset", "a cluster is in use but nowhere", view.getBigUint64(at));
    return { kind: "data", offset };
  }

  #offset(high: number, low: number, reason: string, view: DataView, at: number): number {
    const offset = (high & 0x00ff_ffff) * 0x1_0000_0000 + low;
    if (offset % this.#clusterSize !== 0 || offset >= this.#fileSize) {
      throw invalid(reason, `no cluster of this image is at byte ${offset}`, view.getBigUint64(at));
    }
    return offset;
  }
}
