import type { FileHandle } from "node:fs/promises";
import { openTmpfsFile } from "@luksmith/core";

/** Bytes that one slot holds: an object of the usual size. */
export const SLOT_BYTES = 4 * 1024 * 1024;
const SLOTS = 12;
export const WINDOW_BYTES = SLOT_BYTES * SLOTS;

/** A part of the window that is one's own until it is disposed of. */
export interface Slot extends Disposable {
  /** Bytes from the window's beginning. */
  readonly at: number;
}

/**
 * A file in memory without a name that this process and librbd's share: bytes of images are put there by one and taken by
 * the other.
 */
export class Window implements AsyncDisposable {
  readonly file: FileHandle;
  readonly #free: number[];
  readonly #waiting: ((at: number) => void)[] = [];

  private constructor(file: FileHandle) {
    this.file = file;
    this.#free = Array.from({ length: SLOTS }, (_, index) => index * SLOT_BYTES);
  }

  static async open(): Promise<Window> {
    const file = await openTmpfsFile();
    await file.truncate(WINDOW_BYTES);
    return new Window(file);
  }

  /** Waits until one is free. */
  async take(): Promise<Slot> {
    const at = this.#free.pop() ?? (await new Promise<number>((resolve) => void this.#waiting.push(resolve)));
    return { at, [Symbol.dispose]: () => this.#give(at) };
  }

  /** Writes bytes at a place of one's own. */
  async put(at: number, bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, at + done);
      done += bytesWritten;
    }
  }

  async get(at: number, into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      const { bytesRead } = await this.file.read(into, done, into.length - done, at + done);
      if (bytesRead === 0) throw new Error("the window has an end");
      done += bytesRead;
    }
  }

  #give(at: number): void {
    const next = this.#waiting.shift();
    if (next) next(at);
    else this.#free.push(at);
  }

  /** Waits for those who still have a part: a descriptor that is closed under them may be another file's a moment later. */
  async [Symbol.asyncDispose](): Promise<void> {
    const taken = SLOTS - this.#free.length;
    for (let back = 0; back < taken; back++) await this.take();
    await this.file.close();
  }
}
