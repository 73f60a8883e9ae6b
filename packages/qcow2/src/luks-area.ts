import type { FileHandle } from "node:fs/promises";
import { readPadded, writeFully } from "./file-io.ts";
import type { HostRange } from "./header.ts";
import { Qcow2Error } from "./qcow2-error.ts";

/**
 * The bytes of an image that hold its LUKS header and key material, counted from the start of that area. Fits
 * `HeaderStore` of `@luksmith/core`.
 */
export class LuksArea implements AsyncDisposable {
  /** Bytes of the area: what the header's payload offset comes to. */
  readonly containerBytes: bigint;
  /** Bytes of the image before the area. */
  readonly startsAt: number;
  readonly #file: FileHandle;
  readonly #range: HostRange;
  readonly #release: () => Promise<void>;

  /** @param release - what disposing does, if the file handle belongs to this object */
  constructor(file: FileHandle, range: HostRange, release: () => Promise<void> = async () => undefined) {
    this.containerBytes = BigInt(range.length);
    this.startsAt = range.offset;
    this.#file = file;
    this.#range = range;
    this.#release = release;
  }

  /** Fewer bytes than asked only at the area's end. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const there = Math.max(0, Math.min(length, this.#range.length - offset));
    return readPadded(this.#file, this.#range.offset + offset, there);
  }

  /** @throws Qcow2Error `Qcow2RequestInvalid` for bytes outside the area: they would be somebody else's */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset < 0 || offset + bytes.length > this.#range.length) {
      throw new Qcow2Error(
        "Qcow2RequestInvalid",
        "luks-area",
        `the LUKS area of ${this.#range.length} bytes does not reach byte ${offset + bytes.length}`,
      );
    }
    await writeFully(this.#file, bytes, this.#range.offset + offset);
  }

  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release();
  }
}
