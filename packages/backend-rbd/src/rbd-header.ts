import type { HeaderStore, OpContext } from "@luksmith/core";
import type { OpenImage } from "./ceph/open-image.ts";
import { SLOT_BYTES } from "./ceph/window.ts";

/** The beginning of an image that is open. Owns it. */
export class RbdHeader implements HeaderStore {
  readonly containerBytes: bigint;
  readonly #image: OpenImage;

  constructor(image: OpenImage, size: number) {
    this.containerBytes = BigInt(size);
    this.#image = image;
  }

  async read(offset: number, length: number, ctx: OpContext): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, Number(this.containerBytes) - offset)));
    for (let done = 0; done < bytes.length; done += SLOT_BYTES) {
      const part = bytes.subarray(done, done + SLOT_BYTES);
      using slot = await this.#image.take();
      await this.#image.read([[offset + done, slot.at, part.length]], ctx);
      await this.#image.window.get(slot.at, part);
    }
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array, ctx: OpContext): Promise<void> {
    for (let done = 0; done < bytes.length; done += SLOT_BYTES) {
      const part = bytes.subarray(done, done + SLOT_BYTES);
      using slot = await this.#image.take();
      await this.#image.window.put(slot.at, part);
      await this.#image.write([[offset + done, slot.at, part.length]], {}, ctx);
    }
  }

  sync(ctx: OpContext): Promise<void> {
    return this.#image.flush(ctx);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#image[Symbol.asyncDispose]();
  }
}
