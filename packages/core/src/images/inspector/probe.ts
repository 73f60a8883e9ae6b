import { ioError } from "../../errors/io-error.ts";
import { type OpContext, throwIfCancelled } from "../../image/op-context.ts";
import type { ByteSource } from "./byte-source.ts";
import { refusal } from "./refusal.ts";
import { ImageRefusedError } from "./refusal-error.ts";

/** The most that one inspection reads. Sound images need a tenth of it. */
export const READ_LIMIT = { reads: 64, bytes: 4 * 1024 * 1024 } as const;

/** Holds the signatures of all formats at the start, ISO 9660 volume descriptors (from 32 KiB) included. */
const HEAD_BYTES = 68 * 1024;
/** Holds the trailers: VHD and DMG 512 bytes, VMDK 1536. */
const TAIL_BYTES = 2048;

/** A file under inspection: counts what is read and refuses to read more than the limit. */
export class Probe {
  readonly size: bigint;
  /** The file's first bytes. */
  readonly head: Uint8Array;
  /** The file's last bytes; all of a shorter file. */
  readonly tail: Uint8Array;
  readonly #source: ByteSource;
  readonly #ctx: OpContext;
  readonly #spent: { reads: number; bytes: number };

  private constructor(
    source: ByteSource,
    ctx: OpContext,
    ends: { head: Uint8Array; tail: Uint8Array },
    spent: { reads: number; bytes: number },
  ) {
    this.#source = source;
    this.#ctx = ctx;
    this.#spent = spent;
    this.size = source.size;
    this.head = ends.head;
    this.tail = ends.tail;
  }

  static async open(source: ByteSource, ctx: OpContext): Promise<Probe> {
    const spent = { reads: 0, bytes: 0 };
    const head = await readWithin(source, ctx, spent, 0n, HEAD_BYTES);
    const start = source.size > BigInt(TAIL_BYTES) ? source.size - BigInt(TAIL_BYTES) : 0n;
    const tail =
      source.size <= BigInt(head.length)
        ? head.subarray(Number(start))
        : await readWithin(source, ctx, spent, start, TAIL_BYTES);
    return new Probe(source, ctx, { head, tail }, spent);
  }

  get spent(): { readonly reads: number; readonly bytes: number } {
    return { ...this.#spent };
  }

  /**
   * @returns fewer bytes only at the end of the file
   * @throws `ImageInspectionLimit`, `IoError`, `Cancelled`
   */
  async read(offset: bigint, length: number): Promise<Uint8Array> {
    if (offset + BigInt(length) <= BigInt(this.head.length)) {
      return this.head.subarray(Number(offset), Number(offset) + length);
    }
    if (offset >= this.size || length <= 0) return new Uint8Array();
    return readWithin(this.#source, this.#ctx, this.#spent, offset, length);
  }

  /** Bytes from a distance to the end, as far as the file and the tail reach back. */
  fromEnd(distance: number, length: number): Uint8Array {
    if (this.tail.length < distance) return new Uint8Array();
    const at = this.tail.length - distance;
    return this.tail.subarray(at, at + length);
  }
}

async function readWithin(
  source: ByteSource,
  ctx: OpContext,
  spent: { reads: number; bytes: number },
  offset: bigint,
  length: number,
): Promise<Uint8Array> {
  throwIfCancelled(ctx);
  if (spent.reads >= READ_LIMIT.reads || spent.bytes + length > READ_LIMIT.bytes) {
    const message =
      "needs more reading than an image's metadata may cost; convert it with qemu-img elsewhere";
    throw new ImageRefusedError("the image", refusal("ImageInspectionLimit", message, { ...spent }));
  }
  spent.reads += 1;
  spent.bytes += length;
  try {
    const bytes = await source.read(offset, length);
    return bytes.length > length ? bytes.subarray(0, length) : bytes;
  } catch (error) {
    throw ioError(error, `reading ${length} bytes of the image at ${offset}`);
  }
}
