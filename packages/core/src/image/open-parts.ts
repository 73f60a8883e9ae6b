import type { CopyEnd, CopyExtent } from "@luksmith/luks";
import type { OpenBytes } from "./open-bytes.ts";

/** A part of a disk's stored bytes, at hand for a copy from or to another disk of the same making. */
export interface StoredPart extends AsyncDisposable {
  /** With the disk's key, if it has one. */
  readonly end: CopyEnd;
  /** Bytes of all that `end` describes. */
  readonly length: bigint;
  /** What the part stores, in bytes of `end`: the same on both disks. */
  readonly extents: readonly CopyExtent[];
  /** What was put into it goes to the storage; `OpenParts.sync` makes it durable. */
  store(): Promise<void>;
}

/** A disk's stored bytes, open for a copy part by part. Disposal closes it and wipes the key. */
export interface OpenParts extends AsyncDisposable {
  /** Bytes that a part has at most; undefined: any number. */
  readonly mostBytes: bigint | undefined;
  /**
   * @param start in bytes of the guest's, a multiple of `mostBytes`
   * @param use `fill`: what is stored there is going to be overwritten, and need not be read
   */
  part(start: bigint, length: bigint, use: "read" | "fill"): Promise<StoredPart>;
  sync(): Promise<void>;
}

/** Of a disk that is in one piece. Becomes the owner of `bytes`. */
export function partsOfBytes(bytes: OpenBytes, length: bigint): OpenParts {
  return {
    mostBytes: undefined,
    part: async (start, partLength) => ({
      end: bytes.end,
      length,
      extents: [{ start, length: partLength }],
      store: async () => {},
      [Symbol.asyncDispose]: async () => {},
    }),
    sync: () => bytes.sync(),
    [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
  };
}
