import { cancelledError, type OpContext } from "@luksmith/core";
import type { Libvirt } from "../libvirt.ts";
import type { ConnectOptions } from "../rpc/rpc-connection.ts";
import { connectLibvirt } from "../rpc/rpc-libvirt.ts";

/** One connection for many operations, made at first use and made again after it was lost. */
export class LazyConnection implements Disposable {
  readonly #uri: string;
  readonly #options: ConnectOptions;
  #opening: Promise<Libvirt> | undefined;
  #open: Libvirt | undefined;

  constructor(uri: string, options: ConnectOptions = {}) {
    this.#uri = uri;
    this.#options = options;
  }

  /** @throws `LibvirtUnavailable`, `LibvirtAccessDenied`, `LibvirtUriUnsupported`, `LibvirtTimedOut`, `Cancelled` */
  async get(ctx: OpContext): Promise<Libvirt> {
    if (this.#open) return this.#open;
    // Whose operation is cancelled while it opens does not spoil it for others.
    this.#opening ??= this.#connect({ ...ctx, signal: new AbortController().signal }).finally(() => {
      this.#opening = undefined;
    });
    return await unlessAborted(this.#opening, ctx);
  }

  [Symbol.dispose](): void {
    this.#open?.[Symbol.dispose]();
    this.#open = undefined;
  }

  async #connect(ctx: OpContext): Promise<Libvirt> {
    const libvirt = await connectLibvirt(this.#uri, ctx, this.#options);
    this.#open = libvirt;
    void this.#dropWhenClosed(libvirt);
    return libvirt;
  }

  async #dropWhenClosed(libvirt: Libvirt): Promise<void> {
    await libvirt.closed;
    if (this.#open === libvirt) this.#open = undefined;
  }
}

/** Who is cancelled does not wait for a daemon that hangs. */
async function unlessAborted<T>(promise: Promise<T>, { signal }: OpContext): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(cancelledError(signal.reason));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
