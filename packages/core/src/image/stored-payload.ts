import type { HeaderStore } from "./header-store.ts";
import type { OpContext } from "./op-context.ts";

/** The guest's bytes as the storage has them, encrypted or not: for looks at them that need no key. Dispose to release. */
export interface StoredPayload extends AsyncDisposable {
  /**
   * What is stored for the guest's bytes from `position` on; undefined where nothing is: they are the base's, or were never
   * written. Fewer bytes only at the storage's end. May be asked while a guest writes.
   */
  read(position: bigint, length: number, ctx: OpContext): Promise<Uint8Array | undefined>;
}

/** Of a disk in one piece: what comes `offset` bytes after the beginning of its header. */
export function payloadAfter(store: HeaderStore, offset: bigint): StoredPayload {
  return {
    read: (position, length, ctx) => store.read(Number(offset + position), length, ctx),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
