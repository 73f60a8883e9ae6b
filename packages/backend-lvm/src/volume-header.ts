import type { FileHandle } from "node:fs/promises";
import { type HeaderStore, ioError } from "@luksmith/core";

/** A LUKS header at the start of a volume. */
export class VolumeHeader implements HeaderStore {
  readonly #device: FileHandle;
  readonly #label: string;

  /** @param device becomes its own */
  constructor(device: FileHandle, label: string) {
    this.#device = device;
    this.#label = label;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const buffer = new Uint8Array(length);
    try {
      let done = 0;
      while (done < length) {
        const { bytesRead } = await this.#device.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    } catch (error) {
      throw ioError(error, `reading the header of ${this.#label}`);
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      await writeFully(this.#device, bytes, offset);
    } catch (error) {
      throw ioError(error, `writing the header of ${this.#label}`);
    }
  }

  async sync(): Promise<void> {
    try {
      await this.#device.datasync();
    } catch (error) {
      throw ioError(error, `syncing ${this.#label}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#device.close();
  }
}

export async function writeFully(device: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await device.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
