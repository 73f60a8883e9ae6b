import type { OpContext } from "./op-context.ts";

/** The bytes that hold a disk's LUKS header and key material, wherever the backend keeps them. Dispose to release. */
export interface HeaderStore extends AsyncDisposable {
  /** Bytes in the whole container, where the backend can tell; lint compares it with the payload offset. */
  readonly containerBytes?: bigint;
  /** Bytes of the storage before the header, where the backend can tell. */
  readonly startsAt?: number;
  /** Fewer bytes than asked only at the container's end. */
  read(offset: number, length: number, ctx: OpContext): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array, ctx: OpContext): Promise<void>;
  /** Everything written is durable when it resolves. */
  sync(ctx: OpContext): Promise<void>;
}
